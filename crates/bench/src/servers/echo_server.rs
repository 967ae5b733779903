//! The echo server: a bare tonic server, the lower bound for the cost of a call.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
};

use futures_util::StreamExt;
use strata_terminal::say;
use strata_wire::pb::{
    self,
    coordinator_server::{Coordinator, CoordinatorServer},
};
use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status};

/// Answers decision requests with nothing but their correlation ids. Prints its address, and ends
/// when its standard input is closed.
///
/// # Errors
/// When no port is free, or standard output is closed.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    say(listener.local_addr()?)?;
    let parent_left = tokio::task::spawn_blocking(|| {
        // The copy ends, or fails, once the process at the other end is gone.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    });
    let parent_left = async {
        let _ = parent_left.await;
    };
    let incoming = TcpListenerStream::new(listener).inspect(|connection| {
        if let Ok(connection) = connection {
            // As all servers of Strata do. Where it fails, the connection is only slower.
            let _ = connection.set_nodelay(true);
        }
    });
    tonic::transport::Server::builder()
        .add_service(CoordinatorServer::new(Echo))
        .serve_with_incoming_shutdown(incoming, parent_left)
        .await?;
    Ok(())
}

struct Echo;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn refused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("only Decide and DecideStream are served here"))
}

#[tonic::async_trait]
impl Coordinator for Echo {
    async fn decide(
        &self,
        request: Request<pb::DecideRequest>,
    ) -> Result<Response<pb::DecideResponse>, Status> {
        let correlation_id = request.into_inner().correlation_id;
        Ok(Response::new(pb::DecideResponse { correlation_id, ..Default::default() }))
    }

    type DecideStreamStream = Answers<pb::DecideStreamResponse>;

    async fn decide_stream(
        &self,
        request: Request<tonic::Streaming<pb::DecideRequest>>,
    ) -> Result<Response<Self::DecideStreamStream>, Status> {
        let answers = request.into_inner().map(|request| {
            let correlation_id = request?.correlation_id;
            let decision = pb::DecideResponse::default();
            let result = Some(pb::decide_stream_response::Result::Decision(decision));
            Ok(pb::DecideStreamResponse { correlation_id, result })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn report_telemetry(
        &self,
        _: Request<tonic::Streaming<pb::TelemetrySample>>,
    ) -> Result<Response<pb::ReportTelemetrySummary>, Status> {
        refused()
    }

    async fn report_outcome(
        &self,
        _: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        refused()
    }

    async fn get_decision(
        &self,
        _: Request<pb::GetDecisionRequest>,
    ) -> Result<Response<pb::Decision>, Status> {
        refused()
    }

    async fn list_decisions(
        &self,
        _: Request<pb::ListDecisionsRequest>,
    ) -> Result<Response<pb::ListDecisionsResponse>, Status> {
        refused()
    }

    type WatchDecisionsStream = Answers<pb::Decision>;

    async fn watch_decisions(
        &self,
        _: Request<pb::WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        refused()
    }
}
