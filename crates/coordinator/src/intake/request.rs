//! Turns a request into a question.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use strata_domain::{Catalogue, FaultKind, FunctionFacts, FunctionId, Location, UtcTime};
use strata_policy::operational::WINDOW_STEPS;
use strata_wire::{
    Fault, LocationFields, Places, Violations, facts_to_pb, location_from_pb, pb, time_from_pb,
    weights_from_pb,
};

use super::{
    candidates::Candidates,
    facts::{Known, check_workload, complete, fill},
    limits::{Limits, late_penalty_from_pb},
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
    /// The memory size that the function has now, in MB; 0 when it runs nowhere yet.
    pub(crate) observed_memory_mb: u32,
    pub(crate) facts: FunctionFacts,
    /// The same as a message, encoded once for all layers.
    pub(crate) facts_message: Box<pb::FunctionFacts>,
    pub(crate) candidates: Candidates,
    /// The fields that name something the catalogue does not have.
    pub(crate) unknown: Vec<String>,
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
    pub(crate) fn read(
        catalogue: Arc<Catalogue>,
        request: pb::DecideRequest,
    ) -> Result<Box<Self>, Fault> {
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
        let mut unknown = Vec::new();
        let location = locate(&catalogue, &request, &mut violations, &mut unknown);
        check_workload(request.workload.as_ref(), &mut violations);
        check_telemetry(&request.telemetry, &mut violations);
        let limits = Limits::read(&catalogue, request.constraints.as_ref(), &mut violations);
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
        let current = location.current;
        let known = Known { at, current, steps: &request.telemetry, objective };
        let mut facts = fill(&workload, known);
        let explain = request.options.is_some_and(|options| options.explain);
        let candidates = Candidates::new((&catalogue, &location), &facts, &limits, explain)?;
        if let Some((here, _)) = candidates.current() {
            complete(&mut facts, &workload, here);
        }
        Ok(Box::new(Self {
            correlation_id: request.correlation_id,
            function_key,
            at,
            observed_memory_mb: request.current.map_or(0, |now| now.memory_mb),
            candidates,
            unknown,
            steps: request.telemetry,
            calls: with_runs(workload.calls, &facts),
            facts_message: Box::new(facts_to_pb(&catalogue, &facts, &location)),
            facts,
            explain,
        }))
    }
}

/// Where the function is. `unknown` gets the fields that name something the catalogue does not
/// have.
fn locate(
    catalogue: &Catalogue,
    request: &pb::DecideRequest,
    violations: &mut Violations,
    unknown: &mut Vec<String>,
) -> Location {
    const FIELDS: LocationFields = LocationFields {
        current: "current",
        home: "workload.home",
        data_provider: "workload.data_provider",
    };
    let workload = request.workload.as_ref();
    let places = Places {
        current: request.current.as_ref(),
        home: workload.and_then(|workload| workload.home.as_ref()),
        data_provider: workload.map_or("", |workload| &workload.data_provider),
        fields: FIELDS,
    };
    location_from_pb(catalogue, places, violations, unknown)
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
