//! Which requests are refused, which fields are filled in and which placements are allowed.
#![allow(clippy::unwrap_used)]

use strata_domain::{FaultKind, FunctionFacts, MemoryTier, Placement, Provider, Region};
use strata_wire::{Fault, Violations, facts_from_pb, pb};

use super::Question;

const CURRENT: Placement =
    Placement { provider: Provider::Aws, region: Region::EuWest, memory: MemoryTier::Mb512 };

/// A request with only the required fields and a current placement.
fn request() -> pb::DecideRequest {
    let step = pb::TelemetryStep { request_rate: 0.5, memory_util: 0.25, ..Default::default() };
    pb::DecideRequest {
        function: Some(pb::Function { application: "shop".into(), function: "pay".into() }),
        at: Some(prost_types::Timestamp { seconds: 1_563_197_400, nanos: 0 }),
        current: Some(strata_wire::placement_to_pb(CURRENT)),
        workload: Some(pb::Workload { duration_ms: Some(120.0), ..Default::default() }),
        telemetry: vec![step; 12],
        ..Default::default()
    }
}

/// The facts that the layers receive.
fn facts(question: &Question) -> FunctionFacts {
    facts_from_pb(Some(&question.facts), &mut Violations::new()).unwrap()
}

fn read(spoil: impl FnOnce(&mut pb::DecideRequest)) -> Result<Box<Question>, Fault> {
    let mut request = request();
    spoil(&mut request);
    Question::read(request)
}

fn wrong_fields(spoil: impl FnOnce(&mut pb::DecideRequest)) -> Vec<String> {
    let fault = read(spoil).unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidArgument, "{fault}");
    fault.violations.into_iter().map(|violation| violation.field).collect()
}

fn workload(request: &mut pb::DecideRequest) -> &mut pb::Workload {
    request.workload.as_mut().unwrap()
}

fn constrain(request: &mut pb::DecideRequest, constraints: pb::Constraints) {
    request.constraints = Some(constraints);
}

#[test]
fn empty_fields_are_filled_in_as_the_contract_says() {
    let question = read(|_| ()).unwrap();
    let facts = facts(&question);
    assert_eq!(facts.invocation_rate_per_minute, 30.0);
    assert_eq!(facts.inter_arrival.get(), 2000.0);
    assert_eq!((facts.duration.get(), facts.avg_duration.get()), (120.0, 120.0));
    assert_eq!(facts.memory.get(), 128.0);
    assert_eq!(facts.home, Region::EuWest);
    let (here, _) = question.candidates.estimate(CURRENT);
    assert_eq!(facts.avg_cost, here.cost);
    assert_eq!(facts.avg_carbon, here.carbon);
    assert_eq!(facts.cold_start_rate, here.cold_start_probability);
    assert_eq!(facts.application.avg_invocation_rate_per_minute, 30.0);
    assert!(!facts.application.is_bursty);
}

#[test]
fn gaps_between_calls_say_which_will_be_cold() {
    // A call every ten minutes: AWS frees the instance after seven.
    let timer = |request: &mut pb::DecideRequest| {
        workload(request).invocation_rate_per_minute = Some(0.1);
        workload(request).calls = Some(pb::CallHistory {
            idle_seconds: Some(60.0),
            gap_seconds: vec![600.0; 16],
            ..Default::default()
        });
    };
    let cold = |question: &Question| question.candidates.estimate(CURRENT).0.cold_start_probability;
    let random = read(|request| workload(request).invocation_rate_per_minute = Some(0.1)).unwrap();
    let timed = read(timer).unwrap();
    assert!(cold(&timed) > 0.9 && cold(&random) < 0.6, "{} {}", cold(&timed), cold(&random));
}

#[test]
fn run_times_of_the_workload_go_with_the_question_to_the_forecast() {
    let spread = |request: &mut pb::DecideRequest| {
        workload(request).avg_duration_ms = Some(2000.0);
        workload(request).std_duration_ms = Some(1000.0);
    };
    let calls = read(spread).unwrap().calls;
    assert_eq!((calls.run_seconds, calls.long_run_seconds), (Some(2.0), Some(3.645)));
    let said = |request: &mut pb::DecideRequest| {
        spread(request);
        workload(request).calls =
            Some(pb::CallHistory { run_seconds: Some(30.0), ..Default::default() });
    };
    assert_eq!(read(said).unwrap().calls.run_seconds, Some(30.0));
}

#[test]
fn every_wrong_field_of_a_history_is_named() {
    let wrong = wrong_fields(|request| {
        let busy = pb::TelemetryStep { cpu_util: 1.5, ..Default::default() };
        workload(request).calls = Some(pb::CallHistory {
            idle_seconds: Some(-1.0),
            gap_seconds: vec![0.0, f32::NAN],
            busy: Some(busy),
            run_seconds: Some(f64::INFINITY),
            long_run_seconds: Some(-2.0),
        });
    });
    let fields =
        ["idle_seconds", "gap_seconds[1]", "run_seconds", "long_run_seconds", "busy.cpu_util"];
    assert_eq!(wrong, fields.map(|field| format!("workload.calls.{field}")));
    let many = wrong_fields(|request| {
        workload(request).calls =
            Some(pb::CallHistory { gap_seconds: vec![1.0; 17], ..Default::default() });
    });
    assert_eq!(many, ["workload.calls.gap_seconds"]);
}

#[test]
fn what_the_caller_says_is_kept() {
    let question = read(|request| {
        let workload = workload(request);
        workload.inter_arrival_ms = Some(50.0);
        workload.avg_duration_ms = Some(80.0);
        workload.avg_cost_usd = Some(0.001);
        workload.cold_start_rate = Some(0.0);
        workload.application =
            Some(pb::ApplicationLoad { is_bursty: Some(false), ..Default::default() });
    })
    .unwrap();
    let facts = facts(&question);
    assert_eq!((facts.duration.get(), facts.avg_duration.get()), (120.0, 80.0));
    assert_eq!((facts.avg_cost.get(), facts.cold_start_rate), (0.001, 0.0));
    assert!(facts.is_bursty() && !facts.application.is_bursty);
}

#[test]
fn a_function_that_runs_nowhere_yet_has_no_history() {
    let question = read(|request| request.current = None).unwrap();
    let facts = facts(&question);
    assert_eq!((facts.avg_cost.get(), facts.avg_carbon.get()), (0.0, 0.0));
    assert_eq!((facts.memory.get(), facts.home), (128.0, Region::UsEast));
}

#[test]
fn every_wrong_field_is_named() {
    assert_eq!(wrong_fields(|r| r.function = None), ["function"]);
    assert_eq!(wrong_fields(|r| r.workload = None), ["workload"]);
    assert_eq!(wrong_fields(|r| r.correlation_id = "x".repeat(257)), ["correlation_id"]);
    assert_eq!(
        wrong_fields(|r| r.function = Some(pb::Function::default())),
        ["function.application", "function.function"]
    );
    assert_eq!(
        wrong_fields(|r| r.at = Some(prost_types::Timestamp { seconds: 0, nanos: -1 })),
        ["at"]
    );
    assert_eq!(wrong_fields(|r| workload(r).duration_ms = Some(0.0)), ["workload.duration_ms"]);
    assert_eq!(wrong_fields(|r| workload(r).memory_mb = Some(3009.0)), ["workload.memory_mb"]);
    assert_eq!(wrong_fields(|r| workload(r).home_region = -1), ["workload.home_region"]);
    assert_eq!(
        wrong_fields(|r| workload(r).invocation_rate_per_minute = Some(f64::NAN)),
        ["workload.invocation_rate_per_minute"]
    );
    assert_eq!(wrong_fields(|r| r.telemetry[7].memory_util = 1.5), ["telemetry[7].memory_util"]);
    assert_eq!(wrong_fields(|r| r.telemetry.truncate(11)), ["telemetry"]);
    let weights = pb::ObjectiveWeights { cost: -1.0, ..Default::default() };
    assert_eq!(wrong_fields(|r| r.weights = Some(weights)), ["weights"]);
    assert_eq!(wrong_fields(|r| r.weights = Some(Default::default())), ["weights"]);
    for penalty in [-1.0, 101.0, f64::NAN, f64::INFINITY] {
        assert_eq!(wrong_fields(|r| r.late_penalty = Some(penalty)), ["late_penalty"], "{penalty}");
    }
}

#[test]
fn impossible_constraints_are_named() {
    let wrong = |constraints: pb::Constraints| wrong_fields(|r| constrain(r, constraints));
    let providers = pb::Constraints { allowed_providers: vec![1, 4], ..Default::default() };
    assert_eq!(wrong(providers), ["constraints.allowed_providers[1]"]);
    let regions = pb::Constraints { allowed_regions: vec![0], ..Default::default() };
    assert_eq!(wrong(regions), ["constraints.allowed_regions[0]"]);
    let memory = pb::Constraints { min_memory_mb: 1024, max_memory_mb: 512, ..Default::default() };
    assert_eq!(wrong(memory), ["constraints.max_memory_mb"]);
    let slo = pb::Constraints { latency_slo_ms: Some(0.0), ..Default::default() };
    assert_eq!(wrong(slo), ["constraints.latency_slo_ms"]);
    let ceiling = pb::Constraints { cost_ceiling_usd: Some(f64::NAN), ..Default::default() };
    assert_eq!(wrong(ceiling), ["constraints.cost_ceiling_usd"]);
}

#[test]
fn without_telemetry_the_function_is_unknown() {
    let fault = read(|request| request.telemetry.clear()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    assert!(fault.message.contains("shop/pay"));
}

#[test]
fn masks_leave_what_is_allowed_sold_and_large_enough() {
    let question = read(|request| {
        workload(request).memory_mb = Some(300.0);
        constrain(
            request,
            pb::Constraints {
                allowed_providers: vec![2, 3],
                allowed_regions: vec![4],
                max_memory_mb: 2048,
                ..Default::default()
            },
        );
    })
    .unwrap();
    assert_eq!(question.candidates.providers().bits(), 0b110);
    let bits = |provider| question.candidates.actions(provider).bits() >> (3 * 6);
    assert_eq!(bits(Provider::Gcp), 0b01_1100);
    // Azure's consumption plan has at most 1536 MB.
    assert_eq!(bits(Provider::Azure), 0b00_1100);
    assert_eq!(question.candidates.actions(Provider::Aws).bits(), 0);
}

#[test]
fn objectives_that_nothing_meets_say_which() {
    let fault = read(|request| {
        let slo = pb::Constraints { latency_slo_ms: Some(0.001), ..Default::default() };
        constrain(request, slo);
    })
    .unwrap_err();
    assert_eq!(fault.kind, FaultKind::FailedPrecondition);
    assert!(fault.message.contains("latency_slo_ms is 0.001"), "{}", fault.message);
}

#[test]
fn limits_on_latency_and_cost_are_kept_by_every_candidate() {
    let all = read(|_| ()).unwrap();
    let (slo, ceiling) = (150.0, 3e-6);
    let question = read(|request| {
        let limits = pb::Constraints {
            latency_slo_ms: Some(slo),
            cost_ceiling_usd: Some(ceiling),
            ..Default::default()
        };
        constrain(request, limits);
    })
    .unwrap();
    let mut allowed = 0;
    for placement in Placement::all() {
        let (estimate, _) = all.candidates.estimate(placement);
        let keeps = estimate.latency_ms <= slo && estimate.cost.get() <= ceiling;
        assert_eq!(
            question.candidates.allows(placement),
            keeps && all.candidates.allows(placement),
            "{placement}"
        );
        allowed += usize::from(question.candidates.allows(placement));
    }
    assert!((1..72).contains(&allowed), "{allowed}");
}

#[test]
fn the_objective_follows_the_weights() {
    let best = |weights: pb::ObjectiveWeights| {
        let question = read(|request| request.weights = Some(weights)).unwrap();
        Placement::all()
            .filter(|placement| question.candidates.allows(*placement))
            .max_by(|a, b| {
                let objective = |placement| question.candidates.estimate(placement).1;
                objective(*a).total_cmp(&objective(*b))
            })
            .map(|placement| *question.candidates.estimate(placement).0)
            .unwrap()
    };
    let cheap = best(pb::ObjectiveWeights { cost: 1.0, ..Default::default() });
    let fast = best(pb::ObjectiveWeights { performance: 1.0, ..Default::default() });
    let clean = best(pb::ObjectiveWeights { carbon: 1.0, ..Default::default() });
    assert!(cheap.cost.get() < fast.cost.get());
    assert!(fast.latency_ms < clean.latency_ms);
    assert!(clean.carbon.get() < fast.carbon.get());
}

#[test]
fn the_objective_follows_the_penalty_for_late_calls() {
    // The promised latency is shorter than with 128 MB and longer than with 3008 MB.
    let objective = |late_penalty: Option<f64>| {
        let question = read(|request| {
            workload(request).duration_ms = Some(900.0);
            request.late_penalty = late_penalty;
        });
        let question = question.unwrap();
        let slow = Placement { memory: MemoryTier::Mb128, ..CURRENT };
        let (estimate, objective) = question.candidates.estimate(slow);
        assert!(estimate.late_share > 0.9, "{estimate:?}");
        (objective, facts(&question).objective.sla_penalty)
    };
    let [none, usual, five] = [Some(0.0), None, Some(5.0)].map(objective);
    assert_eq!((none.1, usual.1, five.1), (0.0, 2.0, 5.0));
    let lost = [usual, five].map(|with| none.0 - with.0);
    assert!(lost[0] > 1.0 && (lost[1] - 2.5 * lost[0]).abs() < 1e-9, "{lost:?}");
}
