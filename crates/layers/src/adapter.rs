use strata_policy::SchemaError;
use strata_runtime::Manifest;
use strata_wire::{Fault, pb};
use tracing::Span;

/// What makes a layer: how its questions become rows, and rows its answers.
pub(crate) trait Adapter: Sized + Send + Sync + 'static {
    /// Name of the layer, and of its model in the repository.
    const NAME: &'static str;
    /// A question of the contract.
    type Request: Clone + Send + Sync + 'static;
    /// An answer of the contract.
    type Response: Clone + Send + Sync + 'static;
    /// What of a question is needed to read the model's answer.
    type Question: Send + Sync + 'static;

    /// An adapter for the model that `manifest` describes.
    fn for_model(manifest: &Manifest) -> Result<Self, ModelMismatch>;

    /// Checks a question and appends its row to `input`; on a fault `input` is left as it was.
    fn read(&self, request: Self::Request, input: &mut Vec<f32>) -> Result<Self::Question, Fault>;

    /// The answer in the model's outputs: one slice per output, each holding this question's row.
    fn answer(
        &self,
        question: &Self::Question,
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<Self::Response, Fault>;

    /// What stands for the function that asks, where the caller said it.
    fn key(request: &Self::Request) -> Option<u64>;

    /// The version that must answer; 0 leaves it to the traffic.
    fn pinned(request: &Self::Request) -> u32;

    /// The numbers an answer is read from, in an order that is the same for every version.
    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32>;

    /// Whether two versions gave the same answer, for what can be told apart.
    fn agree(one: &Self::Response, other: &Self::Response) -> bool;

    /// The span of one question.
    fn span() -> Span;
}

/// A model that this layer cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelMismatch {
    /// It has other inputs than the one this layer feeds.
    #[error("the model must have the one input `{wanted}`; its manifest has {found}")]
    Inputs { wanted: &'static str, found: String },
    /// The rows of its input have another shape.
    #[error("a row of input `{name}` must be {wanted:?}; the manifest says {found:?}")]
    InputShape { name: &'static str, wanted: Vec<usize>, found: Vec<usize> },
    /// An output is missing or has another size.
    #[error("the model must have an output `{name}` of {wanted} numbers; its manifest has {found}")]
    Output { name: &'static str, wanted: usize, found: String },
    /// An output lacks a label.
    #[error("output `{output}` must have a label `{label}`")]
    Label { output: &'static str, label: &'static str },
    /// It takes features that cannot be given.
    #[error("input `{input}`")]
    Features {
        input: &'static str,
        #[source]
        source: SchemaError,
    },
}

/// The features (name, unit) of the model's one input, which must be called `name` and have rows of the shape `leading` followed by
/// the features.
pub(crate) fn features<'m>(
    manifest: &'m Manifest,
    name: &'static str,
    leading: &[usize],
) -> Result<Vec<(&'m str, &'m str)>, ModelMismatch> {
    let [input] = manifest.inputs.as_slice() else {
        return Err(inputs_mismatch(manifest, name));
    };
    if input.name != name {
        return Err(inputs_mismatch(manifest, name));
    }
    let mut wanted = leading.to_vec();
    wanted.push(input.features.len());
    if input.shape.row() != wanted {
        let found = input.shape.row().to_vec();
        return Err(ModelMismatch::InputShape { name, wanted, found });
    }
    Ok(input.features.iter().map(|f| (f.name.as_str(), f.unit.as_str())).collect())
}

fn inputs_mismatch(manifest: &Manifest, wanted: &'static str) -> ModelMismatch {
    let names: Vec<_> = manifest.inputs.iter().map(|input| input.name.as_str()).collect();
    ModelMismatch::Inputs { wanted, found: names.join(", ") }
}

/// Position of the output called `name`, which must hold `width` numbers per row.
pub(crate) fn output(
    manifest: &Manifest,
    name: &'static str,
    width: usize,
) -> Result<usize, ModelMismatch> {
    let fits =
        |output: &strata_runtime::Output| output.name == name && output.shape.row() == [width];
    manifest.outputs.iter().position(fits).ok_or_else(|| {
        let found: Vec<_> =
            manifest.outputs.iter().map(|o| format!("{} {:?}", o.name, o.shape.row())).collect();
        ModelMismatch::Output { name, wanted: width, found: found.join(", ") }
    })
}
