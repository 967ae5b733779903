use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::layout::{RowLayout, RowStarts};

/// Rows to run: for every input of the manifest, in its order, one row-major buffer.
///
/// NaN and infinity go to the graph like any value: the caller decides whether they make sense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Number of rows, at least 1.
    pub rows: usize,
    /// One buffer per input: the rows one after another, without padding. The mask of the model's
    /// axis is such an input: 1 for a position that the graph may use, 0 for one that it must leave
    /// out.
    pub inputs: Vec<Vec<f32>>,
    /// How many positions each row has on the model's axis, at least 1; empty for a model without
    /// one.
    pub extents: Vec<usize>,
    /// When a row stops being worth running; empty, or one entry per row.
    pub deadlines: Vec<Option<Instant>>,
}

impl Batch {
    /// Positions of all rows on the model's axis. Without an axis a row has one.
    pub(super) fn positions(&self) -> usize {
        if self.extents.is_empty() {
            return self.rows;
        }
        self.extents.iter().fold(0, |sum: usize, extent| sum.saturating_add(*extent))
    }
}

/// The outcome of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Inference {
    /// One row-major buffer per output, in the manifest's order, each of as many rows as the batch
    /// had. An output on the axis has as many positions of a row as the batch; what the graph gives
    /// for masked ones may be any number, NaN and infinities included. The values of an expired row
    /// are NaN.
    pub outputs: Vec<Vec<f32>>,
    /// Where each row is in the outputs, for [`Inference::row`].
    pub slices: RowSlices,
    /// The outcome of each row.
    pub rows: Vec<RowStatus>,
    /// Time from the call to the start of the first run that held a row of this batch.
    pub queue: Duration,
    /// Time in the graph, over all runs that held rows of this batch.
    pub run: Duration,
    /// Rows in the first run that held a row of this batch, those of other callers included; 0 if
    /// every row had expired.
    pub batch_size: usize,
}

impl Inference {
    /// The values of one row in each output, in the manifest's order. They are empty for a row that
    /// the batch did not have.
    pub fn row(&self, row: usize) -> impl Iterator<Item = &[f32]> {
        let RowSlices { layout, starts } = &self.slices;
        let outputs = self.outputs.iter().zip(&layout.outputs);
        outputs
            .map(move |(output, width)| output.get(width.of_one(row, starts)).unwrap_or_default())
    }
}

/// Where each row is in the outputs of an inference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSlices {
    pub(super) layout: Arc<RowLayout>,
    pub(super) starts: RowStarts,
}

/// The outcome of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowStatus {
    /// It was run and every value of its outputs is finite, except at positions that its mask
    /// leaves out.
    Done,
    /// Its deadline passed before it was run; it was not run.
    Expired,
    /// It was run and an output holds NaN or an infinity.
    NonFinite,
}

/// Why a batch was not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The buffers are not those of the manifest's inputs.
    #[error("the batch does not fit the model: {0}")]
    Shape(String),
    /// More rows than the queue can ever hold: split the batch.
    #[error(
        "a batch of {rows} rows is larger than the queue of {limit} rows; send fewer at a time"
    )]
    TooManyRows {
        /// Rows of the batch.
        rows: usize,
        /// The queue's limit, in rows.
        limit: usize,
    },
    /// The queue has no room for the batch now; try again later.
    #[error("the queue of {limit} rows is full; try again later")]
    QueueFull {
        /// The queue's limit, in rows.
        limit: usize,
    },
    /// This caller has as many rows waiting as one may; batches of other callers are accepted.
    #[error("one caller may have {limit} rows waiting; wait for answers before sending more")]
    CallerFull {
        /// The caller's limit, in rows.
        limit: usize,
    },
    /// None of the rows would be run before its deadline.
    #[error(
        "the rows would be run in about {} us, after their deadline; \
         allow more time or try again later",
        wait.as_micros()
    )]
    WouldBeLate {
        /// The predicted time from now to the end of their run.
        wait: Duration,
        /// When the queue will be short enough, if no other rows are queued meanwhile.
        retry_after: Duration,
    },
    /// The model was stopped.
    #[error("the model has been stopped")]
    Stopped,
    /// The graph could not be run on these rows. Other batches are not affected.
    #[error("running the graph failed: {0}")]
    Run(String),
}
