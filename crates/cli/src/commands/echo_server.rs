//! `strata echo-server`: the server that `strata bench` compares with.

use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;

use clap::Args;
use futures_util::StreamExt;
use strata_wire::pb;
use strata_wire::pb::coordinator_server::{Coordinator, CoordinatorServer};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::output;

/// Answers decision requests with nothing but their correlation ids, over plain tonic: what a call
/// costs at least. Prints its address, and ends when standard input does.
#[derive(Debug, Args)]
pub(crate) struct EchoServer {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

impl EchoServer {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let listener = TcpListener::bind(self.listen).await?;
        output::say(listener.local_addr()?)?;
        let parent_left = tokio::task::spawn_blocking(|| {
            // It ends, or breaks, when the process that holds the other end is gone.
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        });
        let parent_left = async {
            let _ = parent_left.await;
        };
        let incoming = TcpListenerStream::new(listener).inspect(|connection| {
            if let Ok(connection) = connection {
                // As every server of ours; a connection on which this fails is only slower.
                let _ = connection.set_nodelay(true);
            }
        });
        tonic::transport::Server::builder()
            .add_service(CoordinatorServer::new(Echo))
            .serve_with_incoming_shutdown(incoming, parent_left)
            .await?;
        Ok(ExitCode::SUCCESS)
    }
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
