//! Callers of single layers: by the layer's own methods, and by the Open Inference Protocol.

use std::sync::Arc;

use strata_load::{Caller, outcome};
use strata_wire::{
    Forecasting, Hop, Placing, Selecting,
    oip::{self, grpc_inference_service_client::GrpcInferenceServiceClient},
    pb::{
        operational_client::OperationalClient, strategic_client::StrategicClient,
        tactical_client::TacticalClient,
    },
};
use tonic::transport::Channel;

/// The unary method of a layer.
pub(crate) trait UnaryMethod: Hop {
    /// The client of the layer.
    type Client: Clone + Send + 'static;

    /// A client on this channel.
    fn client(channel: Channel) -> Self::Client;

    /// Sends one request and waits for the answer, or for the code of an error.
    fn call(
        client: &mut Self::Client,
        request: Self::Request,
    ) -> impl Future<Output = Result<(), &'static str>> + Send;
}

/// Calls the unary method of a layer.
pub(crate) struct Unary<H: UnaryMethod> {
    pub(crate) client: H::Client,
    /// The requests, sent in turn.
    pub(crate) requests: Arc<Vec<H::Request>>,
}

impl<H: UnaryMethod> Caller for Unary<H> {
    async fn call(&mut self, number: usize) -> Result<(), &'static str> {
        let request = self.requests[number % self.requests.len()].clone();
        H::call(&mut self.client, request).await
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

macro_rules! unary_method {
    ($hop:ident, $client:ident, $call:ident) => {
        impl UnaryMethod for $hop {
            type Client = $client<Channel>;

            fn client(channel: Channel) -> Self::Client {
                $client::new(channel)
            }

            async fn call(
                client: &mut Self::Client,
                request: Self::Request,
            ) -> Result<(), &'static str> {
                outcome(client.$call(request).await)
            }
        }
    };
}

unary_method!(Selecting, StrategicClient, select);
unary_method!(Placing, TacticalClient, place);
unary_method!(Forecasting, OperationalClient, forecast);
