//! Asking ahead: a layer is asked before the one above it has answered, with a guess for that
//! answer.
//!
//! The guess is the allowed placement with the best expected objective, which is what the models of
//! the strategic and the tactical layer look for. Where the guess was right the answer is there
//! sooner; where it was wrong the layer is asked again, so that the decision is always that of the
//! chain. Over the bundled trace the provider is guessed right for 99.7 % of the decisions and the
//! whole placement for 65 %: a guessed provider costs next to nothing, a guessed placement costs
//! the operational layer a third more rows.

use serde::{Deserialize, Serialize};
use strata_domain::{Placement, Provider};

use crate::{intake::Candidates, metrics::CoordinatorMetrics};

/// Whether layers are asked ahead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speculation {
    /// Never: each layer is asked when the one above it has answered.
    Off,
    /// Always.
    On,
    /// While the layers are not busy.
    #[default]
    Auto,
}

/// Decisions in work beyond which `auto` guesses no placement: more of them fill the layers'
/// batches by themselves, and rows asked in vain would take their place.
const FEW: usize = 16;

/// What the layers below are asked with before the layers above have answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Guess {
    /// For the tactical layer.
    pub(super) provider: Option<Provider>,
    /// For the operational layer.
    pub(super) placement: Option<Placement>,
}

impl Speculation {
    /// What to guess about a question while so many decisions are in work.
    pub(super) fn guess(self, candidates: &Candidates, in_work: usize) -> Guess {
        if self == Self::Off {
            return Guess::default();
        }
        let best = candidates.best();
        let whole = self == Self::On || in_work <= FEW;
        Guess {
            provider: best.map(|placement| placement.provider),
            placement: best.filter(|_| whole),
        }
    }
}

/// The answer to a guess, which is on its way.
pub(super) struct Ahead<'a, G, F> {
    layer: &'static str,
    guess: G,
    answer: F,
    metrics: &'a CoordinatorMetrics,
}

impl<'a, G: PartialEq, F: Future> Ahead<'a, G, F> {
    /// An answer of `layer` that rests on a guess.
    pub(super) fn new(
        layer: &'static str,
        guess: G,
        answer: F,
        metrics: &'a CoordinatorMetrics,
    ) -> Self {
        Self { layer, guess, answer, metrics }
    }
}

/// The answer to a guess if that was right, and otherwise what `ask` asks now.
pub(super) async fn settle_for<G: PartialEq, F: Future, A: Future<Output = F::Output>>(
    ahead: Option<Ahead<'_, G, F>>,
    truth: G,
    ask: impl FnOnce() -> A,
) -> F::Output {
    match ahead {
        Some(Ahead { layer, guess, answer, metrics }) if guess == truth => {
            metrics.speculated(layer, true);
            answer.await
        }
        Some(Ahead { layer, answer, metrics, .. }) => {
            // A row that was not sent yet is taken back.
            drop(answer);
            metrics.speculated(layer, false);
            ask().await
        }
        None => ask().await,
    }
}
