//! Observes a fit: progress, validation, the best weights so far, and checkpoints.

use anyhow::Result;
use indicatif::ProgressBar;

use super::{checkpoints::Checkpoints, curves::Curves, state::FitState};
use crate::nets::{Network, Parameters};

/// How often a network is validated during a fit.
const VALIDATIONS: usize = 20;

/// The series of the scores on validation data.
pub(crate) const VALIDATION: &str = "objective on validation";

/// Scores a network on validation data: more is better.
type Score<'a, N> = Box<dyn FnMut(&N) -> Result<f64> + 'a>;

/// Shows progress and keeps the weights with the best score. The weights before the first step are
/// scored too, so a fit never makes the score of a network worse.
pub struct Monitor<'a, N> {
    pub(super) progress: &'a ProgressBar,
    score: Option<Score<'a, N>>,
    best: Option<(f64, Parameters)>,
    /// The part of the fit that was done at each validation, and the score.
    scores: Vec<(f64, f64)>,
    pub(super) curves: Curves,
    checkpoints: Option<Checkpoints>,
}

impl<'a, N: Network> Monitor<'a, N> {
    /// Shows progress only: the network keeps its last weights.
    pub fn progress_only(progress: &'a ProgressBar) -> Self {
        Self {
            progress,
            score: None,
            best: None,
            scores: Vec::new(),
            curves: Curves::default(),
            checkpoints: None,
        }
    }

    /// Shows progress, and keeps the weights to which `score` gives the highest value.
    pub fn validating(
        progress: &'a ProgressBar,
        score: impl FnMut(&N) -> Result<f64> + 'a,
    ) -> Self {
        Self { score: Some(Box::new(score)), ..Self::progress_only(progress) }
    }

    /// Saves a checkpoint at each validation, and resumes from one.
    #[must_use]
    pub fn with_checkpoints(mut self, checkpoints: Option<Checkpoints>) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// The series recorded so far.
    pub fn curves(&self) -> &Curves {
        &self.curves
    }

    /// Validates the network if it is time to, and returns whether it did.
    pub(super) fn validate_if_due(&mut self, net: &N, done: f64) -> Result<bool> {
        let due = self.score.is_some() && done * VALIDATIONS as f64 >= self.scores.len() as f64;
        if due {
            self.validate(net, done)?;
        }
        Ok(due)
    }

    /// Loads the checkpoint, if there is one: restores `net`, the best weights, the scores and the
    /// curves, and returns the state for the fit to restore the rest.
    pub(super) fn resume(&mut self, net: &N) -> Result<Option<FitState>> {
        let Some(state) = self.checkpoints.as_ref().map(Checkpoints::load).transpose()?.flatten()
        else {
            return Ok(None);
        };
        state.restore_parameters("net", net.parameters())?;
        if state.numbers.contains_key("best") {
            let best = net.parameters().snapshot()?;
            state.restore_parameters("best", &best)?;
            self.best = Some((state.number("best")?, best));
        }
        let scores = state.list("scores")?;
        self.scores = scores.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        self.curves = Curves::from_numbers(&state.lists("curve.")?)?;
        self.progress.set_position(state.step);
        // The remaining time must be estimated from the steps after the checkpoint only.
        self.progress.reset_eta();
        Ok(Some(state))
    }

    /// Saves a checkpoint if the run keeps them; `fill` adds the state of the fit itself.
    pub(super) fn save(
        &self,
        net: &N,
        step: usize,
        fill: impl FnOnce(&mut FitState) -> Result<()>,
    ) -> Result<()> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        let mut state = FitState { step: step as u64, ..FitState::default() };
        state.put_parameters("net", net.parameters())?;
        if let Some((score, best)) = &self.best {
            state.numbers.insert("best".to_owned(), *score);
            state.put_parameters("best", best)?;
        }
        let scores: Vec<f64> =
            self.scores.iter().flat_map(|&(done, score)| [done, score]).collect();
        state.put_list("scores", &scores)?;
        for (name, numbers) in self.curves.to_numbers() {
            state.put_list(&format!("curve.{name}"), &numbers)?;
        }
        fill(&mut state)?;
        checkpoints.save(&state)
    }

    /// Validates the last weights and restores the best ones.
    pub(super) fn finish(&mut self, net: &N) -> Result<()> {
        self.validate(net, 1.0)?;
        self.progress.finish_and_clear();
        match &self.best {
            Some((_, best)) => net.parameters().copy_from(best),
            None => Ok(()),
        }
    }

    fn validate(&mut self, net: &N, done: f64) -> Result<()> {
        let Some(score) = &mut self.score else { return Ok(()) };
        let score = score(net)?;
        self.scores.push((done, score));
        let step = done * self.progress.length().unwrap_or_default() as f64;
        self.curves.add(VALIDATION, step.round(), score);
        if self.best.as_ref().is_none_or(|(best, _)| score > *best) {
            self.best = Some((score, net.parameters().snapshot()?));
        }
        self.progress.set_message(format!("objective {score:.4} on validation"));
        Ok(())
    }
}
