//! Looking after a network while it is fitted: progress, and the best weights so far.

use anyhow::Result;
use indicatif::ProgressBar;

use super::{curve::Curves, state::State};
use crate::{
    checkpoint::Checkpoints,
    nets::{Network, Parameters},
};

/// How often a network is judged while it is fitted.
const JUDGEMENTS: usize = 20;

/// What a network is worth: more is better.
type Judge<'a, N> = Box<dyn FnMut(&N) -> Result<f64> + 'a>;

/// Shows progress, and keeps the weights that a judge likes best, those before the first step included: so fitting never makes
/// a network worse by the judge's measure.
pub struct Watch<'a, N> {
    pub(super) progress: &'a ProgressBar,
    judge: Option<Judge<'a, N>>,
    best: Option<(f64, Parameters)>,
    /// Score at each judgement, by the share that was done.
    scores: Vec<(f64, f64)>,
    pub(super) curves: Curves,
    checkpoints: Option<Checkpoints>,
}

impl<'a, N: Network> Watch<'a, N> {
    /// Shows progress only: the network keeps its last weights.
    pub fn showing(progress: &'a ProgressBar) -> Self {
        Self {
            progress,
            judge: None,
            best: None,
            scores: Vec::new(),
            curves: Curves::default(),
            checkpoints: None,
        }
    }

    /// Shows progress, and lets `judge` choose.
    pub fn judged(progress: &'a ProgressBar, judge: impl FnMut(&N) -> Result<f64> + 'a) -> Self {
        Self { judge: Some(Box::new(judge)), ..Self::showing(progress) }
    }

    /// Keeps a checkpoint at each judgement, and goes on from one.
    #[must_use]
    pub fn kept(mut self, checkpoints: Option<Checkpoints>) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// What the judge said, with the share of the fitting that was done.
    pub fn scores(&self) -> &[(f64, f64)] {
        &self.scores
    }

    /// How the fit went.
    pub fn curves(&self) -> &Curves {
        &self.curves
    }

    /// Judges the network when it is time to, and says whether it was.
    pub(super) fn look(&mut self, net: &N, done: f64) -> Result<bool> {
        let due = self.judge.is_some() && done * JUDGEMENTS as f64 >= self.scores.len() as f64;
        if due {
            self.judge(net, done)?;
        }
        Ok(due)
    }

    /// What to go on from, if there is a checkpoint: `net`, the best weights, the judgements and the curves are those of then.
    pub(super) fn resume(&mut self, net: &N) -> Result<Option<State>> {
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
        // The time left is estimated from the part that is done from here on.
        self.progress.reset_eta();
        Ok(Some(state))
    }

    /// Keeps a checkpoint where the run does: `fill` adds what the fit itself needs.
    pub(super) fn save(
        &self,
        net: &N,
        step: usize,
        fill: impl FnOnce(&mut State) -> Result<()>,
    ) -> Result<()> {
        let Some(checkpoints) = &self.checkpoints else { return Ok(()) };
        let mut state = State { step: step as u64, ..State::default() };
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

    /// Judges the last weights and puts the best ones back.
    pub(super) fn finish(&mut self, net: &N) -> Result<()> {
        self.judge(net, 1.0)?;
        self.progress.finish_and_clear();
        match &self.best {
            Some((_, best)) => net.parameters().copy_from(best),
            None => Ok(()),
        }
    }

    fn judge(&mut self, net: &N, done: f64) -> Result<()> {
        let Some(judge) = &mut self.judge else { return Ok(()) };
        let score = judge(net)?;
        self.scores.push((done, score));
        let step = done * self.progress.length().unwrap_or_default() as f64;
        self.curves.add("objective on validation", step.round(), score);
        if self.best.as_ref().is_none_or(|(best, _)| score > *best) {
            self.best = Some((score, net.parameters().snapshot()?));
        }
        self.progress.set_message(format!("objective {score:.4} on validation"));
        Ok(())
    }
}
