//! A hop: the exchange of messages between the coordinator and a layer.
//!
//! The messages of the three layers have the same shape under different names. [`Hop`] abstracts
//! over the names, so that each side is written once.

use prost::Message;
use strata_domain::FaultKind;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use crate::{Fault, pb};

/// A row of a frame: one request to a layer.
#[derive(Debug, Clone)]
pub struct Row<Q> {
    /// The request.
    pub request: Q,
    /// Its span context.
    pub trace: TracePlace,
    /// Remaining time in microseconds; 0 means no limit.
    pub budget_us: u32,
}

/// The span context of a request in W3C trace context headers. Empty strings mean that it is not
/// traced.
#[derive(Debug, Clone, Default)]
pub struct TracePlace {
    /// `traceparent`.
    pub traceparent: String,
    /// `tracestate`.
    pub tracestate: String,
}

/// The answers to a frame, or a drain notice.
#[derive(Debug)]
pub struct Results<R> {
    /// The id of the frame that these rows answer.
    pub frame_id: u64,
    /// One answer for each row, in the order of the rows.
    pub rows: Vec<Result<R, Fault>>,
    /// Whether this is a drain notice: the caller should send no more frames.
    pub draining: bool,
}

/// The exchange with one layer: requests and responses, and the frames that carry many of them.
pub trait Hop: std::fmt::Debug + Send + Sync + 'static {
    /// Name of the layer.
    const LAYER: &'static str;
    /// A request.
    type Request: Message + Default + Clone + Send + Sync + 'static;
    /// The answer to a request.
    type Response: Message + Default + Clone + Send + Sync + 'static;
    /// A frame of many requests.
    type Frame: Send + 'static;
    /// The answers to a frame.
    type FrameResult: Send + 'static;

    /// The key of the function, if the request has one.
    fn function_key(request: &Self::Request) -> Option<u64>;

    /// The version of the model that must answer; 0 lets the layer choose.
    fn model_version(request: &Self::Request) -> u32;

    /// Builds a frame of these rows.
    fn frame(frame_id: u64, rows: Vec<Row<Self::Request>>) -> Self::Frame;

    /// Splits a frame into its id and rows. A row's request is `None` when the sender left it out.
    fn rows(frame: Self::Frame) -> (u64, Vec<Row<Option<Self::Request>>>);

    /// Builds the answers to the frame with that id.
    fn frame_result(frame_id: u64, rows: Vec<Result<Self::Response, Fault>>) -> Self::FrameResult;

    /// Builds the drain notice, which asks the caller to send no more frames.
    fn drain_notice() -> Self::FrameResult;

    /// Reads a message of a layer.
    fn results(result: Self::FrameResult) -> Results<Self::Response>;

    /// Opens the stream of frames; completes when the layer has accepted the call.
    ///
    /// # Errors
    /// The status with which the layer refuses the call.
    fn open(
        channel: Channel,
        frames: mpsc::Receiver<Self::Frame>,
        max_message_bytes: usize,
    ) -> impl Future<Output = Result<Streaming<Self::FrameResult>, Status>> + Send;
}

macro_rules! hop {
    (
        $(#[$doc:meta])* $hop:ident, $layer:literal, $client:path, $stream:ident,
        $request:ident -> $response:ident, $frame:ident { $row:ident } -> $result:ident,
        $row_result:ident in $module:ident
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $hop;

        impl Hop for $hop {
            const LAYER: &'static str = $layer;
            type Request = pb::$request;
            type Response = pb::$response;
            type Frame = pb::$frame;
            type FrameResult = pb::$result;

            fn function_key(request: &pb::$request) -> Option<u64> {
                request.function_key
            }

            fn model_version(request: &pb::$request) -> u32 {
                request.model_version
            }

            fn frame(frame_id: u64, rows: Vec<Row<pb::$request>>) -> pb::$frame {
                let rows = rows.into_iter().map(|row| pb::$row {
                    request: Some(row.request),
                    traceparent: row.trace.traceparent,
                    tracestate: row.trace.tracestate,
                    budget_us: row.budget_us,
                });
                pb::$frame { frame_id, rows: rows.collect() }
            }

            fn rows(frame: pb::$frame) -> (u64, Vec<Row<Option<pb::$request>>>) {
                let rows = frame.rows.into_iter().map(|row| Row {
                    request: row.request,
                    trace: TracePlace { traceparent: row.traceparent, tracestate: row.tracestate },
                    budget_us: row.budget_us,
                });
                (frame.frame_id, rows.collect())
            }

            fn frame_result(
                frame_id: u64,
                rows: Vec<Result<pb::$response, Fault>>,
            ) -> pb::$result {
                let rows = rows.into_iter().map(|result| pb::$row_result {
                    result: Some(match result {
                        Ok(response) => pb::$module::Result::Response(response),
                        Err(fault) => pb::$module::Result::Fault(fault.into()),
                    }),
                });
                pb::$result { frame_id, rows: rows.collect(), draining: false }
            }

            fn drain_notice() -> pb::$result {
                pb::$result { draining: true, ..Default::default() }
            }

            fn results(result: pb::$result) -> Results<pb::$response> {
                let rows = result.rows.into_iter().map(|row| match row.result {
                    Some(pb::$module::Result::Response(response)) => Ok(response),
                    Some(pb::$module::Result::Fault(fault)) => Err(fault.into()),
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

fn empty_row() -> Fault {
    Fault::new(FaultKind::Internal, "the layer answered a row with nothing")
}

hop!(
    /// The strategic layer, which chooses the provider.
    Selecting, "strategic", pb::strategic_client::StrategicClient<Channel>, select_stream,
    SelectRequest -> SelectResponse, SelectFrame { SelectRow } -> SelectFrameResult,
    SelectRowResult in select_row_result
);
hop!(
    /// The tactical layer, which chooses the region and the memory.
    Placing, "tactical", pb::tactical_client::TacticalClient<Channel>, place_stream,
    PlaceRequest -> PlaceResponse, PlaceFrame { PlaceRow } -> PlaceFrameResult,
    PlaceRowResult in place_row_result
);
hop!(
    /// The operational layer, which forecasts the load.
    Forecasting, "operational", pb::operational_client::OperationalClient<Channel>,
    forecast_stream, ForecastRequest -> ForecastResponse,
    ForecastFrame { ForecastRow } -> ForecastFrameResult,
    ForecastRowResult in forecast_row_result
);
