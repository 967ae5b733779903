//! The generated service.

use std::time::Instant;

use futures_util::stream::{self, BoxStream};
use strata_chassis::{Deadline, Peer, trace::RemoteContext};
use strata_wire::pb::{self, coordinator_server::Coordinator};
use tonic::{Request, Response, Status, Streaming};

use super::{
    decider::{Decider, budget},
    stream::{DecisionStream, Origin, decide, draining},
};
use crate::{config::RequestsConfig, deciding::Call};

fn not_yet<T>(what: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!("{what} is not served by this version")))
}

#[tonic::async_trait]
impl Coordinator for Decider {
    type DecideStreamStream = DecisionStream;
    type WatchDecisionsStream = BoxStream<'static, Result<pb::Decision, Status>>;

    async fn decide(
        &self,
        request: Request<pb::DecideRequest>,
    ) -> Result<Response<pb::DecideResponse>, Status> {
        let arrived = Instant::now();
        let RequestsConfig { default_timeout, max_timeout, .. } = self.limits;
        let call = Deadline::of(&request, default_timeout, max_timeout)?;
        let deadline = budget(request.get_ref(), &self.limits).map_or(call, |own| own.min(call));
        let parent = RemoteContext::from_metadata(request.metadata());
        let peer = Peer::of(&request);
        let _in_work = self.begin(&peer)?;
        let caller = peer.number();
        let decided = self
            .pipeline
            .decide(
                request.into_inner(),
                Call { arrived, deadline, parent: &parent, caller, unary: true },
            )
            .await;
        decided.map(Response::new).map_err(Status::from)
    }

    async fn decide_stream(
        &self,
        request: Request<Streaming<pb::DecideRequest>>,
    ) -> Result<Response<DecisionStream>, Status> {
        if self.drain.is_started() {
            return Err(draining());
        }
        let parent = RemoteContext::from_metadata(request.metadata());
        let origin = Origin { parent, peer: Peer::of(&request) };
        Ok(Response::new(decide(self.clone(), request.into_inner(), origin)))
    }

    async fn report_telemetry(
        &self,
        _: Request<Streaming<pb::TelemetrySample>>,
    ) -> Result<Response<pb::ReportTelemetrySummary>, Status> {
        not_yet("ReportTelemetry")
    }

    async fn report_outcome(
        &self,
        _: Request<pb::ReportOutcomeRequest>,
    ) -> Result<Response<pb::ReportOutcomeResponse>, Status> {
        not_yet("ReportOutcome")
    }

    async fn get_decision(
        &self,
        _: Request<pb::GetDecisionRequest>,
    ) -> Result<Response<pb::Decision>, Status> {
        not_yet("GetDecision")
    }

    async fn list_decisions(
        &self,
        _: Request<pb::ListDecisionsRequest>,
    ) -> Result<Response<pb::ListDecisionsResponse>, Status> {
        not_yet("ListDecisions")
    }

    async fn watch_decisions(
        &self,
        _: Request<pb::WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        not_yet::<stream::Empty<()>>("WatchDecisions")?;
        Ok(Response::new(Box::pin(stream::empty())))
    }
}
