//! The adapters of the layers: each turns requests into rows of a model, and outputs of the model
//! into answers.

mod lists;
mod operational;
mod research;
mod row_inputs;
mod schema;
mod scorer;
mod strategic;
mod tactical;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

pub(crate) use operational::Operational;
pub(crate) use row_inputs::RowInputs;
pub(crate) use schema::ModelMismatch;
use strata_domain::Catalogue;
use strata_runtime::Manifest;
use strata_wire::{Fault, Hop, pb};
pub(crate) use strategic::Strategic;
pub(crate) use tactical::Tactical;
use tracing::Span;

/// A request to the layer of an adapter.
pub(crate) type LayerRequest<A> = <<A as Adapter>::Hop as Hop>::Request;
/// An answer of the layer of an adapter.
pub(crate) type LayerResponse<A> = <<A as Adapter>::Hop as Hop>::Response;
/// The result of a row.
pub(crate) type RowResult<A> = Result<LayerResponse<A>, Fault>;

/// Turns requests into rows of one version of a layer's model, and its outputs into answers.
pub(crate) trait Adapter: Sized + Send + Sync + 'static {
    /// The layer's messages.
    type Hop: Hop;
    /// The part of a request that decoding needs.
    type Context: Send + Sync + 'static;

    /// Name of the layer, and of its model in the repository.
    const NAME: &'static str = Self::Hop::LAYER;

    /// Builds an adapter for the model that `manifest` describes. `catalogue` is what the layer
    /// chooses from when a request does not say.
    fn for_model(manifest: &Manifest, catalogue: &Arc<Catalogue>) -> Result<Self, ModelMismatch>;

    /// Checks a request and appends its row to `rows`, which a fault leaves as they were.
    fn encode(
        &self,
        request: LayerRequest<Self>,
        rows: &mut RowInputs,
    ) -> Result<Self::Context, Fault>;

    /// Decodes the answer from the model's outputs: one slice per output, each with the row of this
    /// request.
    fn decode(
        &self,
        context: &Self::Context,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<LayerResponse<Self>, Fault>;

    /// The numbers from which an answer is decoded, in an order that is the same for every version.
    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32>;

    /// Whether two versions gave the same answer, as far as a caller can tell them apart.
    fn agree(one: &LayerResponse<Self>, other: &LayerResponse<Self>) -> bool;

    /// The span of one request.
    fn span() -> Span;
}
