//! A caller over HTTP/1.1, on a connection of its own that stays open.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Caller;

/// Sends the same JSON again and again.
pub(crate) struct HttpCaller {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    path: &'static str,
    body: Bytes,
}

impl HttpCaller {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) async fn connect(
        address: SocketAddr,
        path: &'static str,
        body: Bytes,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("{address} cannot be reached"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender, and what breaks it shows there.
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

impl Caller for HttpCaller {
    async fn call(&mut self, _: usize) -> Result<(), &'static str> {
        let answer = self.post().await.map_err(|_| "CONNECTION")?;
        let status = answer.status();
        answer.into_body().collect().await.map_err(|_| "CONNECTION")?;
        if status.is_success() { Ok(()) } else { Err("HTTP STATUS") }
    }
}
