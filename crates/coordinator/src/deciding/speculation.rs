//! Asking ahead: a layer is asked before the one above it has answered, with a guess for that
//! answer.
//!
//! The guess is the allowed placement with the best expected objective, which is what the models of
//! the strategic and the tactical layer look for. Where the guess was right the answer is there
//! sooner; where it was wrong the layer is asked again, so that the decision is always that of the
//! chain. Over the bundled trace the provider is guessed right for 99.7 % of the decisions and the
//! whole placement for 65 %: a guessed provider costs next to nothing, a guessed placement costs
//! the operational layer a third more rows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::Placement;

use crate::{intake::Candidates, link::Layers, metrics::CoordinatorMetrics};

/// Whether layers are asked ahead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Speculation {
    /// Never: each layer is asked when the one above it has answered.
    Off,
    /// Always.
    On,
    /// While few decisions are in work.
    #[default]
    Auto,
}

/// Decisions in work beyond which `auto` guesses nothing. Measured on 2 cores with the four
/// processes, guesses take the median of 1, 2, 4 and 8 callers to 0.82, 0.90, 0.94 and 0.98 of the
/// chain's; with 64 callers, who keep every layer busy, they cost a tenth of the throughput.
const FEW: usize = 4;

impl Speculation {
    /// The placement that the layers below are asked with before those above have answered, while so
    /// many decisions are in work. `auto` guesses nothing for layers of the same process: rows of
    /// few decisions run on the thread that asks, one after the other.
    pub(super) fn guess(
        self,
        candidates: &Candidates,
        layers: &Layers,
        in_work: usize,
    ) -> Option<Placement> {
        let guesses = match self {
            Self::Off => false,
            Self::On => true,
            Self::Auto => in_work <= FEW && layers.are_remote(),
        };
        if guesses { candidates.best() } else { None }
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
