//! What makes a layer: how its requests become rows of a model, and the model's outputs answers.

mod operational;
mod schema;
mod strategic;
mod tactical;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use operational::Operational;
pub(crate) use schema::ModelMismatch;
use strata_runtime::Manifest;
use strata_wire::{Fault, Hop, pb};
pub(crate) use strategic::Strategic;
pub(crate) use tactical::Tactical;
use tracing::Span;

/// A request to the layer of an adapter.
pub(crate) type LayerRequest<A> = <<A as Adapter>::Hop as Hop>::Request;
/// An answer of the layer of an adapter.
pub(crate) type LayerResponse<A> = <<A as Adapter>::Hop as Hop>::Response;
/// What became of a row.
pub(crate) type RowResult<A> = Result<LayerResponse<A>, Fault>;

/// Turns requests into rows of one version of a layer's model, and its outputs into answers.
pub(crate) trait Adapter: Sized + Send + Sync + 'static {
    /// The layer's messages.
    type Hop: Hop;
    /// What of a request is needed to read the model's answer to it.
    type Context: Send + Sync + 'static;

    /// Name of the layer, and of its model in the repository.
    const NAME: &'static str = Self::Hop::LAYER;

    /// An adapter for the model that `manifest` describes.
    fn for_model(manifest: &Manifest) -> Result<Self, ModelMismatch>;

    /// Checks a request and appends its row to `input`; on a fault `input` is left as it was.
    fn encode(
        &self,
        request: LayerRequest<Self>,
        input: &mut Vec<f32>,
    ) -> Result<Self::Context, Fault>;

    /// The answer in the model's outputs: one slice per output, each holding this request's row.
    fn decode(
        &self,
        context: &Self::Context,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<LayerResponse<Self>, Fault>;

    /// The numbers an answer is read from, in an order that is the same for every version.
    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32>;

    /// Whether two versions gave the same answer, for what can be told apart.
    fn agree(one: &LayerResponse<Self>, other: &LayerResponse<Self>) -> bool;

    /// The span of one request.
    fn span() -> Span;
}
