//! Callers of the peers, over gRPC and over HTTP/1.1.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use strata_load::{Caller, outcome};
use tokio::net::TcpStream;
use tonic::{codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

/// The request to a peer: the values of one row of each model, row-major. `tests/peers/chain.proto`
/// has the same message.
#[derive(Clone, PartialEq, prost::Message, serde::Serialize)]
pub(crate) struct PeerRow {
    #[prost(float, repeated, tag = "1")]
    pub(crate) strategic: Vec<f32>,
    #[prost(float, repeated, tag = "2")]
    pub(crate) tactical: Vec<f32>,
    #[prost(float, repeated, tag = "3")]
    pub(crate) operational: Vec<f32>,
}

/// The answer of a peer.
#[derive(Clone, PartialEq, prost::Message)]
struct PeerAnswer {
    #[prost(uint32, tag = "1")]
    provider: u32,
    #[prost(uint32, tag = "2")]
    placement: u32,
    #[prost(float, repeated, tag = "3")]
    forecast: Vec<f32>,
}

/// Calls the coordinator of the grpc.aio peer.
pub(crate) struct PeerGrpc {
    pub(crate) client: tonic::client::Grpc<Channel>,
    pub(crate) row: PeerRow,
}

impl Caller for PeerGrpc {
    async fn call(&mut self, _: usize) -> Result<(), &'static str> {
        let path = PathAndQuery::from_static("/peer.Chain/Decide");
        self.client.ready().await.map_err(|_| "UNAVAILABLE")?;
        let request = tonic::Request::new(self.row.clone());
        let codec = ProstCodec::<PeerRow, PeerAnswer>::default();
        outcome(self.client.unary(request, path, codec).await)
    }
}

/// Posts the same JSON to the FastAPI peer, on one connection that stays open.
pub(crate) struct PeerHttp {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    path: &'static str,
    body: Bytes,
}

impl PeerHttp {
    /// Opens the connection.
    ///
    /// # Errors
    /// When nothing listens at `address`.
    pub(crate) async fn connect(
        address: SocketAddr,
        path: &'static str,
        body: Bytes,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("{address} cannot be reached"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // The task ends with the sender, which reports a broken connection.
        tokio::spawn(connection);
        Ok(Self { sender, address, path, body })
    }

    async fn post(&mut self) -> anyhow::Result<Response<Incoming>> {
        self.sender.ready().await?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .body(Full::new(self.body.clone()))?;
        Ok(self.sender.send_request(request).await?)
    }
}

impl Caller for PeerHttp {
    async fn call(&mut self, _: usize) -> Result<(), &'static str> {
        let answer = self.post().await.map_err(|_| "CONNECTION")?;
        let status = answer.status();
        answer.into_body().collect().await.map_err(|_| "CONNECTION")?;
        if status.is_success() { Ok(()) } else { Err("HTTP STATUS") }
    }
}
