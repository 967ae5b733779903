//! Frames of many rows: the three layers' messages have one shape under different names.

use strata_wire::Fault;

use crate::adapter::Adapter;

/// Most rows in a frame, as the contract says.
pub(crate) const MAX_ROWS: usize = 1024;

/// A question as it came in a frame.
pub(crate) struct Row<Q> {
    /// Empty when the caller left it out.
    pub(crate) request: Option<Q>,
    pub(crate) traceparent: String,
    pub(crate) tracestate: String,
    pub(crate) budget_us: u32,
}

/// What became of a row.
pub(crate) type RowResult<A> = Result<<A as Adapter>::Response, Fault>;

/// A layer whose questions travel in frames.
pub(crate) trait Framed: Adapter {
    type Frame: Send + 'static;
    type FrameResult: Send + 'static;

    /// The id and the rows of a frame.
    fn open(frame: Self::Frame) -> (u64, Vec<Row<Self::Request>>);

    /// The answer to the frame of that id.
    fn close(frame_id: u64, results: Vec<RowResult<Self>>) -> Self::FrameResult;

    /// The notice that no more frames should be sent.
    fn notice() -> Self::FrameResult;
}
