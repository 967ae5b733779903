//! The three layers' streams: one shape under different names.

use std::time::Instant;

use strata_domain::FaultKind;
use strata_wire::{Fault, pb};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

/// A question on its way to a layer.
pub(crate) struct Row<Q> {
    pub(crate) request: Q,
    pub(crate) place: TracePlace,
    pub(crate) budget_us: u32,
}

/// When an answer must be there, and for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) deadline: Instant,
    /// The connection that asks, by its number: those who wait take turns.
    pub(crate) caller: u64,
    /// Whether the coordinator has no other decision in work.
    pub(crate) alone: bool,
}

/// The place of a question in its trace, as W3C's headers write it. Empty: not traced.
#[derive(Debug, Clone, Default)]
pub(crate) struct TracePlace {
    pub(crate) traceparent: String,
    pub(crate) tracestate: String,
}

/// A frame of answers, or the notice that the layer is shutting down.
pub(crate) struct Results<R> {
    pub(crate) frame_id: u64,
    pub(crate) rows: Vec<Result<R, Fault>>,
    pub(crate) draining: bool,
}

/// A hop of the chain: the stream to one layer.
pub(crate) trait Hop: Send + Sync + 'static {
    /// Name of the layer.
    const LAYER: &'static str;
    type Request: Clone + Send + Sync + 'static;
    type Response: Send + 'static;
    type Frame: Send + 'static;
    type FrameResult: Send + 'static;

    /// The version that must answer; 0: the layer chooses.
    fn pinned(request: &Self::Request) -> u32;

    fn frame(frame_id: u64, rows: Vec<Row<Self::Request>>) -> Self::Frame;

    fn results(result: Self::FrameResult) -> Results<Self::Response>;

    /// Opens the stream; completes when the layer has taken the call.
    fn open(
        channel: Channel,
        frames: mpsc::Receiver<Self::Frame>,
        max_message_bytes: usize,
    ) -> impl Future<Output = Result<Streaming<Self::FrameResult>, Status>> + Send;
}

fn empty_row() -> Fault {
    Fault::new(FaultKind::Internal, "the layer answered a row with nothing")
}

macro_rules! hop {
    (
        $(#[$doc:meta])* $hop:ident, $layer:literal, $client:path, $stream:ident,
        $request:ident -> $response:ident, $frame:ident { $row:ident } -> $result:ident,
        $row_result:ident
    ) => {
        $(#[$doc])*
        pub(crate) struct $hop;

        impl Hop for $hop {
            const LAYER: &'static str = $layer;
            type Request = pb::$request;
            type Response = pb::$response;
            type Frame = pb::$frame;
            type FrameResult = pb::$result;

            fn pinned(request: &pb::$request) -> u32 {
                request.model_version
            }

            fn frame(frame_id: u64, rows: Vec<Row<pb::$request>>) -> pb::$frame {
                let rows = rows.into_iter().map(|row| pb::$row {
                    request: Some(row.request),
                    traceparent: row.place.traceparent,
                    tracestate: row.place.tracestate,
                    budget_us: row.budget_us,
                });
                pb::$frame { frame_id, rows: rows.collect() }
            }

            fn results(result: pb::$result) -> Results<pb::$response> {
                let rows = result.rows.into_iter().map(|row| match row.result {
                    Some(pb::$row_result::Result::Response(response)) => Ok(response),
                    Some(pb::$row_result::Result::Fault(fault)) => Err(fault.into()),
                    None => Err(empty_row()),
                });
                Results {
                    frame_id: result.frame_id,
                    rows: rows.collect(),
                    draining: result.draining,
                }
            }

            async fn open(
                channel: Channel,
                frames: mpsc::Receiver<pb::$frame>,
                max_message_bytes: usize,
            ) -> Result<Streaming<pb::$result>, Status> {
                <$client>::new(channel)
                    .max_decoding_message_size(max_message_bytes)
                    .max_encoding_message_size(max_message_bytes)
                    .$stream(ReceiverStream::new(frames))
                    .await
                    .map(tonic::Response::into_inner)
            }
        }
    };
}

hop!(
    /// To the strategic layer.
    Selecting, "strategic", pb::strategic_client::StrategicClient<Channel>, select_stream,
    SelectRequest -> SelectResponse, SelectFrame { SelectRow } -> SelectFrameResult,
    select_row_result
);
hop!(
    /// To the tactical layer.
    Placing, "tactical", pb::tactical_client::TacticalClient<Channel>, place_stream,
    PlaceRequest -> PlaceResponse, PlaceFrame { PlaceRow } -> PlaceFrameResult,
    place_row_result
);
hop!(
    /// To the operational layer.
    Forecasting, "operational", pb::operational_client::OperationalClient<Channel>, forecast_stream,
    ForecastRequest -> ForecastResponse, ForecastFrame { ForecastRow } -> ForecastFrameResult,
    forecast_row_result
);
