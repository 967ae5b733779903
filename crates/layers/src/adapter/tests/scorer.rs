//! An adapter for the model `scores` of the runtime's tests, whose rows have different extents.

use std::sync::Arc;

use strata_domain::{Catalogue, FaultKind};
use strata_runtime::Manifest;
use strata_wire::{Fault, Selecting, pb};
use tracing::Span;

use super::super::{Adapter, ModelMismatch, RowInputs};

/// Scores as many candidates as the key of a request has bits, up to the highest that is set. A
/// candidate whose bit is 0 is masked.
#[derive(Debug)]
pub(crate) struct Scorer;

impl Adapter for Scorer {
    type Hop = Selecting;
    type Context = ();

    const NAME: &'static str = "scores";

    fn for_model(_: &Manifest, _: &Arc<Catalogue>) -> Result<Self, ModelMismatch> {
        Ok(Self)
    }

    fn encode(&self, request: pb::SelectRequest, rows: &mut RowInputs) -> Result<(), Fault> {
        let bits = request.function_key.unwrap_or(0);
        if bits == 0 {
            return Err(Fault::new(FaultKind::InvalidArgument, "a row needs a candidate"));
        }
        let extent = bits.ilog2() + 1;
        rows.buffers[0].extend([0.5, -0.25, 1.0]);
        rows.buffers[1].extend((0..extent).flat_map(|i| [0.1 * i as f32, 1.0 / (1 + i) as f32]));
        rows.buffers[2].extend((0..extent).map(|i| (bits >> i & 1) as f32));
        rows.extents.push(extent as usize);
        Ok(())
    }

    fn decode(
        &self,
        (): &(),
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::SelectResponse, Fault> {
        let (q_values, inference) = (outputs[0].to_vec(), Some(inference));
        Ok(pb::SelectResponse { q_values, inference, ..Default::default() })
    }

    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32> {
        outputs[0].to_vec()
    }

    fn agree(one: &pb::SelectResponse, other: &pb::SelectResponse) -> bool {
        one.q_values == other.q_values
    }

    fn span() -> Span {
        Span::none()
    }
}
