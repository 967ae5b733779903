use std::time::{Duration, Instant};

/// Rows to run: for every input of the manifest, in its order, one row-major buffer.
///
/// NaN and infinity go to the graph like any value: the caller decides whether they make sense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Number of rows, at least 1.
    pub rows: usize,
    /// One buffer per input, each of `rows` times the input's row length.
    pub inputs: Vec<Vec<f32>>,
    /// When a row stops being worth running; empty, or one entry per row.
    pub deadlines: Vec<Option<Instant>>,
}

/// The outcome of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Inference {
    /// One row-major buffer per output, in the manifest's order, each of as many rows as the batch
    /// had. The values of an expired row are NaN.
    pub outputs: Vec<Vec<f32>>,
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

/// The outcome of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowStatus {
    /// It was run and every value of its outputs is finite.
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
