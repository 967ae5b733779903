//! The pipeline behind the limits for callers.

use std::time::Duration;

use strata_chassis::{Deadline, Drain, InWork, Peer};
use strata_domain::FaultKind;
use strata_wire::{Fault, pb};

use crate::{config::RequestsConfig, deciding::Pipeline};

/// Decides requests by asking the layers.
#[derive(Clone)]
pub(crate) struct Decider {
    pub(crate) pipeline: Pipeline,
    pub(crate) limits: RequestsConfig,
    pub(crate) drain: Drain,
}

/// The requests of a caller at its limit take about this long.
const RETRY_AFTER: Duration = Duration::from_millis(50);

impl Decider {
    /// Counts a request as in progress on its connection until the result is dropped.
    ///
    /// # Errors
    /// `ResourceExhausted` when the connection is at its limit; other connections are still served.
    pub(crate) fn begin(&self, peer: &Peer) -> Result<InWork, Fault> {
        let most = self.limits.caller_in_flight;
        peer.begin(most).ok_or_else(|| {
            let message = format!(
                "one connection may have {most} requests in work (requests.caller_in_flight); wait \
                 for answers before sending more"
            );
            Fault::new(FaultKind::ResourceExhausted, message).retry_after(RETRY_AFTER)
        })
    }
}

/// The deadline from the field `budget_ms`, if the request sets it.
pub(crate) fn budget(request: &pb::DecideRequest, limits: &RequestsConfig) -> Option<Deadline> {
    match request.options?.budget_ms {
        0 => None,
        budget => {
            Some(Deadline::after(Duration::from_millis(budget.into()).min(limits.max_timeout)))
        }
    }
}
