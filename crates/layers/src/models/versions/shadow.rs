//! Shadow versions: they run rows that other versions answer, and are compared with them.

use std::sync::Arc;

use strata_runtime::{Inference, RowStatus};
use strata_wire::pb;

use super::{tally::Outcomes, version::Version};
use crate::adapter::{Adapter, LayerRequest, LayerResponse, RowInputs};

/// An answered row, kept for a comparison.
pub(crate) struct AnsweredRow<A: Adapter> {
    pub(crate) request: LayerRequest<A>,
    /// The version that answered.
    pub(crate) version: u32,
    pub(crate) answer: LayerResponse<A>,
    pub(crate) scores: Vec<f32>,
}

/// Makes every shadow run the rows in the background. A shadow without room skips them.
pub(crate) fn observe<A: Adapter>(shadows: &[Arc<Version<A>>], rows: Vec<AnsweredRow<A>>) {
    if rows.is_empty() {
        return;
    }
    let rows = Arc::new(rows);
    for shadow in shadows {
        // Without the rows that the shadow itself answered.
        let others = rows.iter().filter(|answered| answered.version != shadow.number).count();
        if others == 0 {
            continue;
        }
        let Some(room) = shadow.shadow.reserve(others) else {
            shadow.shadow.skip(others);
            continue;
        };
        let (shadow, rows) = (Arc::clone(shadow), Arc::clone(&rows));
        tokio::spawn(async move {
            compare(&shadow, &rows).await;
            drop(room);
        });
    }
}

async fn compare<A: Adapter>(shadow: &Version<A>, rows: &[AnsweredRow<A>]) {
    let (mut inputs, mut encoded) = (RowInputs::of(shadow.manifest()), Vec::new());
    let mut refused = 0;
    for answered in rows.iter().filter(|answered| answered.version != shadow.number) {
        match shadow.adapter.encode(answered.request.clone(), &mut inputs) {
            Ok(context) => encoded.push((context, answered)),
            Err(_) => refused += 1,
        }
    }
    shadow.shadow.skip(refused);
    if encoded.is_empty() {
        return;
    }
    let batch = inputs.into_batch(encoded.len(), Vec::new());
    let inference = match shadow.runner.model().infer(batch).await {
        Ok(inference) => inference,
        Err(error) => {
            tracing::debug!(version = shadow.number, %error, "the shadow skips rows");
            return shadow.shadow.skip(encoded.len());
        }
    };
    let mut outcomes = Outcomes::default();
    for (row, (context, answered)) in encoded.iter().enumerate() {
        match verdict(shadow, &inference, (row, context, answered)) {
            Some((true, difference)) => {
                outcomes.agreed += 1;
                outcomes.difference += difference;
            }
            Some((false, difference)) => {
                outcomes.differed += 1;
                outcomes.difference += difference;
            }
            None => outcomes.skipped += 1,
        }
    }
    shadow.shadow.add(outcomes);
}

/// Whether the shadow gives the same answer to a row, and the largest difference of a score.
fn verdict<A: Adapter>(
    shadow: &Version<A>,
    inference: &Inference,
    (row, context, answered): (usize, &A::Context, &AnsweredRow<A>),
) -> Option<(bool, f64)> {
    if inference.rows.get(row) != Some(&RowStatus::Done) {
        return None;
    }
    let outputs: Vec<_> = inference.row(row).collect();
    let answer = shadow.adapter.decode(context, &outputs, pb::Inference::default()).ok()?;
    let difference = difference(&shadow.adapter.scores(&outputs), &answered.scores);
    Some((A::agree(&answer, &answered.answer), difference))
}

/// The largest difference of a score. Scores of masked positions need not be finite, and then say
/// nothing.
fn difference(scores: &[f32], others: &[f32]) -> f64 {
    let differences = scores.iter().zip(others).map(|(one, other)| f64::from((one - other).abs()));
    differences.filter(|difference| difference.is_finite()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn scores_that_are_not_finite_have_no_difference() {
        let (masked, nan) = (f32::NEG_INFINITY, f32::NAN);
        assert_eq!(difference(&[1.0, masked, 0.0], &[0.5, -1e9, 0.25]), 0.5);
        assert_eq!(difference(&[masked, nan], &[masked, 1.0]), 0.0);
        assert_eq!(difference(&[], &[1.0]), 0.0);
    }
}
