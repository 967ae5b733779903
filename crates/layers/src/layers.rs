//! Implements the services and the processes of the three layers, which differ only in their names.

use std::convert::Infallible;

use strata_wire::pb;
use tonic::{body::Body, server::NamedService};
use tower::Service as TowerService;

use crate::{
    adapter::{Adapter, Operational, Strategic, Tactical},
    serving::{ResultStream, Service},
};

/// A layer as a process: an adapter with ports and a generated server.
pub(crate) trait Layer: Adapter + std::fmt::Debug {
    /// The generated server.
    type Server: TowerService<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future: Send,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static;

    /// Default ports: gRPC, admin.
    const PORTS: (u16, u16);
    /// One line for `--help`.
    const ABOUT: &'static str;
    /// Prefix of the names of its environment variables.
    const ENV_PREFIX: &'static str;

    /// Wraps a service in the generated server.
    fn server(service: Service<Self>, max_message_bytes: usize) -> Self::Server;
}

/// Implements a layer's generated service and its process, by delegation.
macro_rules! layer {
    (
        $layer:ident: $about:literal, env $env:literal, ports $grpc:literal and $admin:literal;
        service $module:ident::$server:ident;
        unary $unary:ident($request:ident) -> $response:ident;
        stream $stream:ident($frame:ident) -> $result:ident as $stream_type:ident;
    ) => {
        #[tonic::async_trait]
        impl pb::$module::$layer for Service<$layer> {
            type $stream_type = ResultStream<pb::$result>;

            async fn $unary(
                &self,
                request: tonic::Request<pb::$request>,
            ) -> Result<tonic::Response<pb::$response>, tonic::Status> {
                self.unary(request).await
            }

            async fn $stream(
                &self,
                request: tonic::Request<tonic::Streaming<pb::$frame>>,
            ) -> Result<tonic::Response<Self::$stream_type>, tonic::Status> {
                self.stream(request)
            }
        }

        impl Layer for $layer {
            type Server = pb::$module::$server<Service<Self>>;
            const PORTS: (u16, u16) = ($grpc, $admin);
            const ABOUT: &'static str = $about;
            const ENV_PREFIX: &'static str = $env;

            fn server(service: Service<Self>, max_message_bytes: usize) -> Self::Server {
                pb::$module::$server::new(service)
                    .max_decoding_message_size(max_message_bytes)
                    .max_encoding_message_size(max_message_bytes)
            }
        }
    };
}

layer! {
    Strategic: "The strategic layer of Strata: which cloud?",
    env "STRATA_STRATEGIC", ports 50051 and 9051;
    service strategic_server::StrategicServer;
    unary select(SelectRequest) -> SelectResponse;
    stream select_stream(SelectFrame) -> SelectFrameResult as SelectStreamStream;
}

layer! {
    Tactical: "The tactical layer of Strata: which region, and how much memory?",
    env "STRATA_TACTICAL", ports 50052 and 9052;
    service tactical_server::TacticalServer;
    unary place(PlaceRequest) -> PlaceResponse;
    stream place_stream(PlaceFrame) -> PlaceFrameResult as PlaceStreamStream;
}

layer! {
    Operational: "The operational layer of Strata: what will the function need next?",
    env "STRATA_OPERATIONAL", ports 50053 and 9053;
    service operational_server::OperationalServer;
    unary forecast(ForecastRequest) -> ForecastResponse;
    stream forecast_stream(ForecastFrame) -> ForecastFrameResult as ForecastStreamStream;
}
