//! Callers of each kind of gRPC method.

use std::sync::Arc;

use strata_wire::oip;
use strata_wire::oip::grpc_inference_service_client::GrpcInferenceServiceClient;
use strata_wire::pb;
use strata_wire::pb::coordinator_client::CoordinatorClient;
use strata_wire::pb::operational_client::OperationalClient;
use strata_wire::pb::strategic_client::StrategicClient;
use strata_wire::pb::tactical_client::TacticalClient;
use tonic::Status;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use super::Caller;
use crate::failure::code_name;

/// Multiplier that spreads consecutive numbers over the functions (Knuth's, 2^32 over the golden ratio).
const SPREAD: usize = 2_654_435_761;

/// Asks a coordinator, or the echo.
#[derive(Clone)]
pub(crate) struct Decide {
    pub(crate) client: CoordinatorClient<Channel>,
    /// Sent in turn.
    pub(crate) requests: Arc<Vec<pb::DecideRequest>>,
    /// How many different functions are asked about, in place of those of the requests.
    pub(crate) functions: Option<usize>,
}

impl Decide {
    /// The request of a number.
    pub(crate) fn request(&self, number: usize) -> pb::DecideRequest {
        let mut request = self.requests[number % self.requests.len()].clone();
        if let (Some(functions), Some(function)) = (self.functions, &mut request.function) {
            function.function = format!("f{}", number.wrapping_mul(SPREAD) % functions);
        }
        request
    }
}

impl Caller for Decide {
    async fn call(&mut self, number: usize) -> Result<(), &'static str> {
        let request = self.request(number);
        done(self.client.decide(request).await)
    }
}

/// Asks a layer by its own method.
pub(crate) enum Layer {
    Strategic(StrategicClient<Channel>, Arc<Vec<pb::SelectRequest>>),
    Tactical(TacticalClient<Channel>, Arc<Vec<pb::PlaceRequest>>),
    Operational(OperationalClient<Channel>, Arc<Vec<pb::ForecastRequest>>),
}

impl Caller for Layer {
    async fn call(&mut self, number: usize) -> Result<(), &'static str> {
        match self {
            Self::Strategic(client, requests) => {
                done(client.select(requests[number % requests.len()].clone()).await)
            }
            Self::Tactical(client, requests) => {
                done(client.place(requests[number % requests.len()].clone()).await)
            }
            Self::Operational(client, requests) => {
                done(client.forecast(requests[number % requests.len()].clone()).await)
            }
        }
    }
}

/// Asks a layer for its tensors, by the Open Inference Protocol.
pub(crate) struct Tensors {
    pub(crate) client: GrpcInferenceServiceClient<Channel>,
    pub(crate) request: oip::ModelInferRequest,
}

impl Caller for Tensors {
    async fn call(&mut self, _: usize) -> Result<(), &'static str> {
        done(self.client.model_infer(self.request.clone()).await)
    }
}

/// What the peers are asked: the values of one row of each model, row-major. `tests/peers/chain.proto` is the same.
#[derive(Clone, PartialEq, prost::Message, serde::Serialize)]
pub(crate) struct PeerRow {
    #[prost(float, repeated, tag = "1")]
    pub(crate) strategic: Vec<f32>,
    #[prost(float, repeated, tag = "2")]
    pub(crate) tactical: Vec<f32>,
    #[prost(float, repeated, tag = "3")]
    pub(crate) operational: Vec<f32>,
}

/// What they answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PeerAnswer {
    #[prost(uint32, tag = "1")]
    pub(crate) provider: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) placement: u32,
    #[prost(float, repeated, tag = "3")]
    pub(crate) forecast: Vec<f32>,
}

/// Asks the coordinator of the peer that is made with grpc.aio.
pub(crate) struct PeerGrpc {
    pub(crate) client: tonic::client::Grpc<Channel>,
    pub(crate) row: PeerRow,
}

impl Caller for PeerGrpc {
    async fn call(&mut self, _: usize) -> Result<(), &'static str> {
        let path = PathAndQuery::from_static("/peer.Chain/Decide");
        self.client.ready().await.map_err(|_| "UNAVAILABLE")?;
        let request = tonic::Request::new(self.row.clone());
        done(self.client.unary(request, path, ProstCodec::<PeerRow, PeerAnswer>::default()).await)
    }
}

fn done<T>(answer: Result<T, Status>) -> Result<(), &'static str> {
    answer.map(drop).map_err(|status| code_name(status.code()))
}
