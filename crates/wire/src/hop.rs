//! A hop: what a coordinator and a layer say to each other.
//!
//! The messages of the three layers have one shape under different names. [`Hop`] is that shape, so
//! that either side is written once.

use prost::Message;
use strata_domain::FaultKind;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use crate::{Fault, pb};

/// A row of a frame: one question on its way to a layer.
#[derive(Debug, Clone)]
pub struct Row<Q> {
    /// The question.
    pub request: Q,
    /// Its place in its trace.
    pub trace: TracePlace,
    /// Microseconds the layer has for it; 0: no bound.
    pub budget_us: u32,
}

/// The place of a question in its trace, as W3C's headers write it. Empty: not traced.
#[derive(Debug, Clone, Default)]
pub struct TracePlace {
    /// `traceparent`.
    pub traceparent: String,
    /// `tracestate`.
    pub tracestate: String,
}

/// A frame of answers, or the notice that the layer shuts down.
#[derive(Debug)]
pub struct Results<R> {
    /// The frame these rows answer.
    pub frame_id: u64,
    /// An answer for each row, in the rows' order.
    pub rows: Vec<Result<R, Fault>>,
    /// Whether this is the notice: no more frames should be sent.
    pub draining: bool,
}

/// The exchange with one layer: requests and responses, and the frames that carry many of them.
pub trait Hop: std::fmt::Debug + Send + Sync + 'static {
    /// Name of the layer.
    const LAYER: &'static str;
    /// A question.
    type Request: Message + Default + Clone + Send + Sync + 'static;
    /// Its answer.
    type Response: Message + Default + Clone + Send + Sync + 'static;
    /// Many questions.
    type Frame: Send + 'static;
    /// Their answers.
    type FrameResult: Send + 'static;

    /// What stands for the function that asks, where the request says it.
    fn function_key(request: &Self::Request) -> Option<u64>;

    /// The version of the model that must answer; 0 leaves it to the layer.
    fn model_version(request: &Self::Request) -> u32;

    /// A frame of these rows.
    fn frame(frame_id: u64, rows: Vec<Row<Self::Request>>) -> Self::Frame;

    /// The id and the rows of a frame. A row's request is `None` when its sender left it out.
    fn rows(frame: Self::Frame) -> (u64, Vec<Row<Option<Self::Request>>>);

    /// The answers to the frame of that id.
    fn frame_result(frame_id: u64, rows: Vec<Result<Self::Response, Fault>>) -> Self::FrameResult;

    /// The notice that no more frames should be sent.
    fn drain_notice() -> Self::FrameResult;

    /// What a layer sent.
    fn results(result: Self::FrameResult) -> Results<Self::Response>;

    /// Opens the stream of frames; completes when the layer has taken the call.
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
    /// The strategic layer: which provider?
    Selecting, "strategic", pb::strategic_client::StrategicClient<Channel>, select_stream,
    SelectRequest -> SelectResponse, SelectFrame { SelectRow } -> SelectFrameResult,
    SelectRowResult in select_row_result
);
hop!(
    /// The tactical layer: which region, how much memory?
    Placing, "tactical", pb::tactical_client::TacticalClient<Channel>, place_stream,
    PlaceRequest -> PlaceResponse, PlaceFrame { PlaceRow } -> PlaceFrameResult,
    PlaceRowResult in place_row_result
);
hop!(
    /// The operational layer: what will the function need next?
    Forecasting, "operational", pb::operational_client::OperationalClient<Channel>,
    forecast_stream, ForecastRequest -> ForecastResponse,
    ForecastFrame { ForecastRow } -> ForecastFrameResult,
    ForecastRowResult in forecast_row_result
);
