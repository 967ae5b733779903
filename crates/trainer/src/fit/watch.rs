//! Looking after a network while it is fitted: progress, and the best weights so far.

use anyhow::Result;
use indicatif::ProgressBar;

use super::curve::Curves;
use crate::nets::{Network, Parameters};

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
}

impl<'a, N: Network> Watch<'a, N> {
    /// Shows progress only: the network keeps its last weights.
    pub fn showing(progress: &'a ProgressBar) -> Self {
        Self { progress, judge: None, best: None, scores: Vec::new(), curves: Curves::default() }
    }

    /// Shows progress, and lets `judge` choose.
    pub fn judged(progress: &'a ProgressBar, judge: impl FnMut(&N) -> Result<f64> + 'a) -> Self {
        Self { judge: Some(Box::new(judge)), ..Self::showing(progress) }
    }

    /// What the judge said, with the share of the fitting that was done.
    pub fn scores(&self) -> &[(f64, f64)] {
        &self.scores
    }

    /// How the fit went.
    pub fn curves(&self) -> &Curves {
        &self.curves
    }

    /// Judges the network when it is time to.
    pub(super) fn look(&mut self, net: &N, done: f64) -> Result<()> {
        if done * JUDGEMENTS as f64 >= self.scores.len() as f64 {
            self.judge(net, done)
        } else {
            Ok(())
        }
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
