//! Where the values of a row are in the buffers of a batch and of a run.

use std::ops::Range;

use crate::repository::{Manifest, Shape};

/// The values per row of every input and output, in the manifest's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RowLayout {
    pub(super) inputs: Vec<Width>,
    pub(super) outputs: Vec<Width>,
    /// The axis, if the model has one.
    pub(super) axis: Option<AxisLayout>,
}

/// The axis of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AxisLayout {
    /// Most positions of a row.
    pub(super) max: usize,
    /// Position of the mask among the inputs.
    pub(super) mask: usize,
}

/// How many values of a tensor belong to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Width {
    /// Values of a row, or of each position of a row if the tensor is on the axis.
    pub(super) values: usize,
    /// Whether the tensor is on the axis.
    pub(super) on_axis: bool,
}

impl RowLayout {
    /// The layout of a checked manifest.
    pub(super) fn of(manifest: &Manifest) -> RowLayout {
        let mask = |name: &str| manifest.inputs.iter().position(|input| input.name == name);
        RowLayout {
            inputs: manifest.inputs.iter().map(|input| Width::of(&input.shape)).collect(),
            outputs: manifest.outputs.iter().map(|output| Width::of(&output.shape)).collect(),
            axis: manifest
                .axis
                .as_ref()
                .and_then(|axis| mask(&axis.mask).map(|mask| AxisLayout { max: axis.max, mask })),
        }
    }
}

impl Width {
    fn of(shape: &Shape) -> Width {
        Width { values: shape.row_len(), on_axis: shape.axis().is_some() }
    }

    /// Values of a row that has `extent` positions on the axis.
    pub(super) fn of_row(self, extent: usize) -> usize {
        if self.on_axis { self.values * extent } else { self.values }
    }

    /// Values of all rows of a batch together.
    pub(super) fn of_all(self, rows: usize, starts: &RowStarts) -> usize {
        self.values * if self.on_axis { starts.end(rows) } else { rows }
    }

    /// Where the values of a row are in a buffer that holds the rows one after another.
    pub(super) fn of_one(self, row: usize, starts: &RowStarts) -> Range<usize> {
        let Range { start, end } = if self.on_axis { starts.positions(row) } else { row..row + 1 };
        start * self.values..end * self.values
    }
}

/// Where the positions of each row start on the axis, and where those of the last one end. Empty
/// for a model without an axis, each of whose rows has one position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RowStarts(Vec<usize>);

impl RowStarts {
    /// The starts of rows of these extents.
    pub(super) fn new(extents: &[usize]) -> RowStarts {
        if extents.is_empty() {
            return RowStarts::default();
        }
        let mut end = 0;
        let ends = extents.iter().map(|extent| {
            end += extent;
            end
        });
        RowStarts(std::iter::once(0).chain(ends).collect())
    }

    /// The positions of a row; none if there is no such row.
    pub(super) fn positions(&self, row: usize) -> Range<usize> {
        if self.0.is_empty() {
            return row..row + 1;
        }
        match self.0.get(row..row + 2) {
            Some(&[start, end]) => start..end,
            _ => 0..0,
        }
    }

    /// Where the positions of the last of `rows` rows end.
    fn end(&self, rows: usize) -> usize {
        self.0.last().copied().unwrap_or(rows)
    }
}
