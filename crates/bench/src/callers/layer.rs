//! Callers of single layers: by the layer's own methods, and by the Open Inference Protocol.

use std::{future::Future, sync::Arc};

use strata_load::{Caller, outcome};
use strata_wire::{
    oip::{self, grpc_inference_service_client::GrpcInferenceServiceClient},
    pb::{
        self, operational_client::OperationalClient, strategic_client::StrategicClient,
        tactical_client::TacticalClient,
    },
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

/// The methods of one layer: a unary call, and a stream of frames of rows.
pub(crate) trait LayerMethods: 'static {
    /// The request of one row, without deadline and trace context.
    type Request: Clone + Send + Sync + 'static;
    /// The client of the layer.
    type Client: Clone + Send + 'static;
    /// Rows that travel together.
    type Frame: Send + 'static;
    /// The answers to the rows of a frame.
    type FrameResult;

    /// A client on this channel.
    fn client(channel: Channel) -> Self::Client;

    /// Sends one request by the unary method.
    fn call(
        client: &mut Self::Client,
        request: Self::Request,
    ) -> impl Future<Output = Result<(), &'static str>> + Send;

    /// Opens the stream.
    fn open(
        client: Self::Client,
        frames: ReceiverStream<Self::Frame>,
    ) -> impl Future<Output = Result<Streaming<Self::FrameResult>, Status>> + Send;

    /// A frame of these requests.
    fn frame(frame_id: u64, requests: impl Iterator<Item = Self::Request>) -> Self::Frame;

    /// The id of the frame that was answered, and the kind of each fault among its answers.
    fn faults(result: Self::FrameResult) -> (u64, Vec<&'static str>);
}

/// Calls the unary method of a layer.
pub(crate) struct Unary<L: LayerMethods> {
    pub(crate) client: L::Client,
    /// The requests, sent in turn.
    pub(crate) requests: Arc<Vec<L::Request>>,
}

impl<L: LayerMethods> Caller for Unary<L> {
    async fn call(&mut self, number: usize) -> Result<(), &'static str> {
        let request = self.requests[number % self.requests.len()].clone();
        L::call(&mut self.client, request).await
    }
}

/// Calls `ModelInfer` of a layer, always with the same tensors.
pub(crate) struct Tensors {
    pub(crate) client: GrpcInferenceServiceClient<Channel>,
    pub(crate) request: oip::ModelInferRequest,
}

impl Caller for Tensors {
    async fn call(&mut self, _: usize) -> Result<(), &'static str> {
        outcome(self.client.model_infer(self.request.clone()).await)
    }
}

/// The three layers differ only in the names of their methods and messages.
macro_rules! layer_methods {
    (
        $name:ident, $client:ident, [$call:ident, $open:ident],
        [$request:ident, $row:ident, $frame:ident, $frame_result:ident], $result:path
    ) => {
        /// The layer of this name.
        pub(crate) struct $name;

        impl LayerMethods for $name {
            type Request = pb::$request;
            type Client = $client<Channel>;
            type Frame = pb::$frame;
            type FrameResult = pb::$frame_result;

            fn client(channel: Channel) -> Self::Client {
                $client::new(channel)
            }

            async fn call(
                client: &mut Self::Client,
                request: Self::Request,
            ) -> Result<(), &'static str> {
                outcome(client.$call(request).await)
            }

            async fn open(
                mut client: Self::Client,
                frames: ReceiverStream<Self::Frame>,
            ) -> Result<Streaming<Self::FrameResult>, Status> {
                Ok(client.$open(frames).await?.into_inner())
            }

            fn frame(frame_id: u64, requests: impl Iterator<Item = Self::Request>) -> Self::Frame {
                let row = |request| pb::$row { request: Some(request), ..Default::default() };
                pb::$frame { frame_id, rows: requests.map(row).collect() }
            }

            fn faults(result: Self::FrameResult) -> (u64, Vec<&'static str>) {
                use $result as Outcome;
                let faults = result.rows.into_iter().filter_map(|row| match row.result {
                    Some(Outcome::Response(_)) => None,
                    Some(Outcome::Fault(fault)) => Some(fault.kind().as_str_name()),
                    None => Some("EMPTY"),
                });
                (result.frame_id, faults.collect())
            }
        }
    };
}

layer_methods!(
    Strategic,
    StrategicClient,
    [select, select_stream],
    [SelectRequest, SelectRow, SelectFrame, SelectFrameResult],
    pb::select_row_result::Result
);
layer_methods!(
    Tactical,
    TacticalClient,
    [place, place_stream],
    [PlaceRequest, PlaceRow, PlaceFrame, PlaceFrameResult],
    pb::place_row_result::Result
);
layer_methods!(
    Operational,
    OperationalClient,
    [forecast, forecast_stream],
    [ForecastRequest, ForecastRow, ForecastFrame, ForecastFrameResult],
    pb::forecast_row_result::Result
);
