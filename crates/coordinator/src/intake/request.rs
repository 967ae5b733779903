//! Turns a request into a question.

use std::time::{SystemTime, UNIX_EPOCH};

use strata_domain::{FaultKind, FunctionFacts, FunctionId, Placement, UtcTime};
use strata_policy::operational::WINDOW_STEPS;
use strata_wire::{
    Fault, Violations, facts_to_pb, pb, placement_from_pb, time_from_pb, weights_from_pb,
};

use super::{
    candidates::{Candidates, Limits, late_penalty_from_pb},
    facts::{Known, check_workload, fill},
    telemetry::check_telemetry,
};

/// The longest correlation id, in bytes.
pub(crate) const MAX_CORRELATION_ID: usize = 256;

/// A request that was checked and completed.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) correlation_id: String,
    /// Equal for all requests of one function.
    pub(crate) function_key: u64,
    pub(crate) at: UtcTime,
    pub(crate) current: Option<Placement>,
    /// The facts of the function with the expected objectives, computed and encoded once for all
    /// layers.
    pub(crate) facts: Box<pb::FunctionFacts>,
    pub(crate) candidates: Candidates,
    /// Exactly [`WINDOW_STEPS`] steps.
    pub(crate) steps: Vec<pb::TelemetryStep>,
    pub(crate) calls: pb::CallHistory,
    pub(crate) explain: bool,
}

impl Question {
    /// Checks a request and fills in the fields it leaves out.
    ///
    /// # Errors
    /// `InvalidArgument` with every field that is wrong, `NotFound` when there is no telemetry,
    /// `FailedPrecondition` when the constraints allow no placement.
    pub(crate) fn read(request: pb::DecideRequest) -> Result<Box<Self>, Fault> {
        let mut violations = Violations::new();
        if request.correlation_id.len() > MAX_CORRELATION_ID {
            let bytes = request.correlation_id.len();
            let range = format_args!("must have at most {MAX_CORRELATION_ID} bytes, has {bytes}");
            violations.add("correlation_id", range);
        }
        check_function(request.function.as_ref(), &mut violations);
        let at = match &request.at {
            Some(at) => time_from_pb(at, "at", &mut violations),
            None => Some(now()),
        };
        let current = request
            .current
            .as_ref()
            .and_then(|current| placement_from_pb(current, "current", &mut violations));
        check_workload(request.workload.as_ref(), &mut violations);
        check_telemetry(&request.telemetry, &mut violations);
        let limits = Limits::read(request.constraints.as_ref(), &mut violations);
        let weights = weights_from_pb(request.weights.as_ref(), "weights", &mut violations);
        let late_penalty = late_penalty_from_pb(request.late_penalty, &mut violations);
        let at = match at {
            Some(at) if violations.is_empty() => at,
            _ => return Err(violations.into_fault()),
        };
        if request.telemetry.is_empty() {
            return Err(no_telemetry(request.function.unwrap_or_default()));
        }
        let function_key = request.function.as_ref().map_or(0, key_of);
        let objective = limits.objective(weights, late_penalty);
        let workload = request.workload.unwrap_or_default();
        let known = Known { at, current, steps: &request.telemetry, objective };
        let mut facts = fill(&workload, known);
        let candidates = Candidates::new(&facts, &limits)?;
        facts.expected = Some(candidates.objectives());
        Ok(Box::new(Self {
            correlation_id: request.correlation_id,
            function_key,
            at,
            current,
            candidates,
            steps: request.telemetry,
            calls: with_runs(workload.calls, &facts),
            facts: Box::new(facts_to_pb(&facts)),
            explain: request.options.is_some_and(|options| options.explain),
        }))
    }
}

/// The hash of a function's name (FNV-1a). It is the same in every process, so that a canary
/// version gets the same functions from every coordinator.
fn key_of(function: &pb::Function) -> u64 {
    let bytes = function.application.bytes().chain([0]).chain(function.function.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Completes the call history with the run times of the workload where it has none.
fn with_runs(calls: Option<pb::CallHistory>, facts: &FunctionFacts) -> pb::CallHistory {
    const MS_PER_SECOND: f64 = 1000.0;
    /// 95th percentile of the standard normal distribution.
    const Z95: f64 = 1.645;
    let mut calls = calls.unwrap_or_default();
    let (mean, deviation) = (facts.avg_duration.get(), facts.std_duration.get());
    calls.run_seconds.get_or_insert(mean / MS_PER_SECOND);
    calls.long_run_seconds.get_or_insert((mean + Z95 * deviation) / MS_PER_SECOND);
    calls
}

fn check_function(function: Option<&pb::Function>, violations: &mut Violations) {
    let Some(function) = function else {
        violations.add("function", "must be given");
        return;
    };
    for (field, name) in
        [("function.application", &function.application), ("function.function", &function.function)]
    {
        if let Err(error) = FunctionId::check(name) {
            violations.add(field, error);
        }
    }
}

fn no_telemetry(function: pb::Function) -> Fault {
    let pb::Function { application, function } = function;
    let message = format!(
        "no telemetry is known for {application}/{function}; send the last {WINDOW_STEPS} steps in \
         `telemetry`"
    );
    Fault::new(FaultKind::NotFound, message)
}

fn now() -> UtcTime {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    UtcTime::from_unix_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_keeps_its_key_and_shares_it_with_none() {
        let key = |application: &str, function: &str| {
            key_of(&pb::Function {
                application: application.to_owned(),
                function: function.to_owned(),
            })
        };
        // Literal, because replicas of different builds must agree.
        assert_eq!(key("shop", "checkout"), 0x7150_e5e2_ce1d_70d7);
        assert_ne!(key("shop", "checkout"), key("shopc", "heckout"));
        assert_ne!(key("shop", "checkout"), key("checkout", "shop"));
    }
}
