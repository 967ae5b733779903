//! Checks whether a layer can serve the model that a manifest describes.

use strata_policy::{SchemaError, research::MissingFromGrid};
use strata_runtime::{Manifest, Output, Shape};

/// A model that this layer cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelMismatch {
    /// The model has other inputs than the one that this layer feeds.
    #[error("the model must have the input {wanted} and no other; its manifest has {found}")]
    Inputs { wanted: String, found: String },
    /// The input has another shape.
    #[error("input `{name}` must be {wanted}; the manifest says {found}")]
    InputShape { name: &'static str, wanted: String, found: String },
    /// An output is missing or has another size.
    #[error("the model must have an output `{name}` of {wanted} numbers; its manifest has {found}")]
    Output { name: &'static str, wanted: usize, found: String },
    /// The scores of the candidates are missing or have another shape.
    #[error("the model must have an output `{name}` [batch, candidates]; its manifest has {found}")]
    Scores { name: &'static str, found: String },
    /// The layer's catalogue lacks what the model chooses from.
    #[error("the layer's catalogue does not suit the model")]
    Catalogue(#[source] MissingFromGrid),
    /// An output lacks a label.
    #[error("output `{output}` must have a label `{label}`")]
    Label { output: &'static str, label: &'static str },
    /// The model takes features that the layer cannot compute.
    #[error("input `{input}`")]
    Features {
        input: &'static str,
        #[source]
        source: SchemaError,
    },
}

/// The features (name, unit) of the model's only input. That input must be called `name`, and its
/// rows must have the shape `leading` followed by the features.
pub(crate) fn features<'m>(
    manifest: &'m Manifest,
    name: &'static str,
    leading: &[usize],
) -> Result<Vec<(&'m str, &'m str)>, ModelMismatch> {
    let [input] = manifest.inputs.as_slice() else {
        return Err(ModelMismatch::inputs(manifest, format!("`{name}`")));
    };
    if input.name != name {
        return Err(ModelMismatch::inputs(manifest, format!("`{name}`")));
    }
    let wanted = Shape::new([leading, &[input.features.len()]].concat());
    if input.shape != wanted {
        let (wanted, found) = (wanted.to_string(), input.shape.to_string());
        return Err(ModelMismatch::InputShape { name, wanted, found });
    }
    Ok(input.features.iter().map(|f| (f.name.as_str(), f.unit.as_str())).collect())
}

impl ModelMismatch {
    pub(super) fn inputs(manifest: &Manifest, wanted: String) -> Self {
        let names: Vec<_> = manifest.inputs.iter().map(|input| input.name.as_str()).collect();
        Self::Inputs { wanted, found: names.join(", ") }
    }
}

/// The index of the output `name`, which must hold `width` numbers per row.
pub(crate) fn output(
    manifest: &Manifest,
    name: &'static str,
    width: usize,
) -> Result<usize, ModelMismatch> {
    let wanted = Shape::new([width]);
    let fits = |output: &Output| output.name == name && output.shape == wanted;
    manifest.outputs.iter().position(fits).ok_or_else(|| {
        let found: Vec<_> =
            manifest.outputs.iter().map(|o| format!("{} {}", o.name, o.shape)).collect();
        ModelMismatch::Output { name, wanted: width, found: found.join(", ") }
    })
}
