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

macro_rules! framed {
    ($layer:ident, $frame:ident, $frame_result:ident, $row_result:ident, $result_module:ident) => {
        impl $crate::frame::Framed for $layer {
            type Frame = pb::$frame;
            type FrameResult = pb::$frame_result;

            fn open(frame: Self::Frame) -> (u64, Vec<$crate::frame::Row<Self::Request>>) {
                let rows = frame.rows.into_iter().map(|row| $crate::frame::Row {
                    request: row.request,
                    traceparent: row.traceparent,
                    budget_us: row.budget_us,
                });
                (frame.frame_id, rows.collect())
            }

            fn close(
                frame_id: u64,
                results: Vec<$crate::frame::RowResult<Self>>,
            ) -> Self::FrameResult {
                let rows = results.into_iter().map(|result| pb::$row_result {
                    result: Some(match result {
                        Ok(response) => pb::$result_module::Result::Response(response),
                        Err(fault) => pb::$result_module::Result::Fault(fault.into()),
                    }),
                });
                pb::$frame_result { frame_id, rows: rows.collect(), draining: false }
            }

            fn notice() -> Self::FrameResult {
                pb::$frame_result { draining: true, ..Default::default() }
            }
        }
    };
}

pub(crate) use framed;
