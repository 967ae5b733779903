use std::time::Instant;

use strata_runtime::{Batch, Manifest};

/// The inputs of rows for one version of a model, on their way into a batch.
///
/// An adapter appends the values of a row to every buffer. For a model with an axis it also appends
/// the extent of the row: for how many positions the buffers on the axis get values.
pub(crate) struct RowInputs {
    /// One buffer for each input of the manifest, in its order, with the rows one after another.
    pub(crate) buffers: Vec<Vec<f32>>,
    /// The extent of each row; empty for a model without an axis.
    pub(crate) extents: Vec<usize>,
}

impl RowInputs {
    /// Without rows, for the model that `manifest` describes.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self { buffers: vec![Vec::new(); manifest.inputs.len()], extents: Vec::new() }
    }

    /// The rows as a batch.
    pub(crate) fn into_batch(self, rows: usize, deadlines: Vec<Option<Instant>>) -> Batch {
        let Self { buffers: inputs, extents } = self;
        Batch { rows, inputs, extents, deadlines }
    }
}
