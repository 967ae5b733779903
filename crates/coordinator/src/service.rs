//! The Coordinator service.

use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream};
use strata_chassis::{Deadline, Drain, InWork, Peer, trace::RemoteContext};
use strata_domain::FaultKind;
use strata_wire::{
    Fault,
    pb::{self, coordinator_server::Coordinator},
};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    config::RequestsConfig,
    pipeline::{Call, Pipeline},
    streaming::{self, DecisionStream, Origin},
};

/// Decides, by asking the layers.
#[derive(Clone)]
pub(crate) struct Decider {
    pub(crate) pipeline: Pipeline,
    pub(crate) limits: RequestsConfig,
    pub(crate) drain: Drain,
}

/// About as long as the requests of a caller at its limit take.
const RETRY_AFTER: Duration = Duration::from_millis(50);

impl Decider {
    /// Counts a request into the work of its connection until the result is dropped.
    ///
    /// # Errors
    /// `ResourceExhausted` when that has as much as one caller may; others are still served.
    pub(crate) fn begin(&self, peer: &Peer) -> Result<InWork, Fault> {
        let most = self.limits.caller_in_flight;
        peer.begin(most).ok_or_else(|| {
            let message = format!(
                "one connection may have {most} requests in work (requests.caller_in_flight); wait for answers before sending more"
            );
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        })
    }
}

/// The time a request allows itself, if it says.
pub(crate) fn budget(request: &pb::DecideRequest, limits: &RequestsConfig) -> Option<Deadline> {
    match request.options?.budget_ms {
        0 => None,
        budget => {
            Some(Deadline::after(Duration::from_millis(budget.into()).min(limits.max_timeout)))
        }
    }
}

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
                Call { arrived, deadline, parent: &parent, caller, one: true },
            )
            .await;
        decided.map(Response::new).map_err(Status::from)
    }

    async fn decide_stream(
        &self,
        request: Request<Streaming<pb::DecideRequest>>,
    ) -> Result<Response<DecisionStream>, Status> {
        if self.drain.is_started() {
            return Err(streaming::draining());
        }
        let parent = RemoteContext::from_metadata(request.metadata());
        let origin = Origin { parent, peer: Peer::of(&request) };
        Ok(Response::new(streaming::decide(self.clone(), request.into_inner(), origin)))
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
