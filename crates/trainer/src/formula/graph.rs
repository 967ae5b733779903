//! The graph: a score is the expected objective, less a large number where the mask is 0.

use anyhow::Result;
use strata_policy::candidates::{AXIS, CANDIDATES, MASK, STATE, STATE_FEATURES};

use super::{PlacingLayer, TAKEN};
use crate::onnx::{Axis, GraphBuilder};

/// Far below every expected objective, and still far from the end of f32.
const FORBIDDEN: f32 = 1e9;

/// Writes the graph of a layer.
pub(super) fn write(layer: PlacingLayer) -> Result<Vec<u8>> {
    let (batch, positions) = (Axis::Batch, Axis::Symbol(AXIS));
    let width = TAKEN.len();
    let mut graph = GraphBuilder::new(layer.name());
    graph.input(STATE, &[batch, Axis::Fixed(STATE_FEATURES.len())]);
    let candidates = graph.input(CANDIDATES, &[batch, positions, Axis::Fixed(width)]);
    let mask = graph.input(MASK, &[batch, positions]);
    let one = graph.constant("one", &[1], &[1.0])?;
    let forbidden = graph.constant("forbidden", &[1], &[FORBIDDEN])?;
    let expected = graph.squeeze("expected", &candidates, 2);
    let masked = graph.binary("Sub", "masked", [&one, &mask]);
    let penalty = graph.binary("Mul", "penalty", [&masked, &forbidden]);
    let scores = graph.binary("Sub", "scores", [&expected, &penalty]);
    if let Some(name) = layer.value() {
        let value = graph.greatest("value", &scores, 1);
        graph.output(name, &value, &[batch, Axis::Fixed(1)])?;
    }
    let scores = graph.unary("Identity", "output", &scores);
    graph.output(layer.scores(), &scores, &[batch, positions])?;
    Ok(graph.finish())
}
