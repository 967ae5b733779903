//! Which requests are refused, which fields are filled in and which placements are allowed.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, OnceLock};

use strata_domain::{Catalogue, FaultKind, FunctionFacts, Location, Placement};
use strata_wire::{
    Fault, Violations, facts_from_pb, facts_location_from_pb, pb, placement_from_pb,
};

use super::Question;

fn research() -> Arc<Catalogue> {
    static RESEARCH: OnceLock<Arc<Catalogue>> = OnceLock::new();
    let load = || Arc::new(strata_catalogue::built_in("research").catalogue);
    Arc::clone(RESEARCH.get_or_init(load))
}

fn message(platform: &str, region: &str, memory_mb: u32) -> pb::Placement {
    let (platform, region) = (platform.to_owned(), region.to_owned());
    pb::Placement { platform, region, memory_mb, provider: String::new() }
}

fn place(platform: &str, region: &str, memory_mb: u32) -> Placement {
    let message = message(platform, region, memory_mb);
    placement_from_pb(&research(), &message, "placement", &mut Violations::new()).unwrap()
}

/// Where the function of [`request`] runs.
fn current() -> Placement {
    place("aws-lambda", "eu-west-1", 512)
}

/// A request with only the required fields and a current placement.
fn request() -> pb::DecideRequest {
    let step = pb::TelemetryStep { request_rate: 0.5, memory_util: 0.25, ..Default::default() };
    pb::DecideRequest {
        function: Some(pb::Function { application: "shop".into(), function: "pay".into() }),
        at: Some(prost_types::Timestamp { seconds: 1_563_197_400, nanos: 0 }),
        current: Some(message("aws-lambda", "eu-west-1", 512)),
        workload: Some(pb::Workload { duration_ms: Some(120.0), ..Default::default() }),
        telemetry: vec![step; 12],
        ..Default::default()
    }
}

/// The facts that the layers receive.
fn facts(question: &Question) -> FunctionFacts {
    facts_from_pb(Some(&question.facts_message), &mut Violations::new()).unwrap()
}

/// Where the layers are told that the function is.
fn location(question: &Question) -> Location {
    facts_location_from_pb(&research(), &question.facts_message, &mut Violations::new())
}

/// The name of the area that the layers are told the callers are in.
fn home(question: &Question) -> String {
    let strata_domain::Origin::Area(area) = location(question).home.callers else {
        panic!("not in an area");
    };
    research().area(area).name.clone()
}

fn read(spoil: impl FnOnce(&mut pb::DecideRequest)) -> Result<Box<Question>, Fault> {
    let mut request = request();
    spoil(&mut request);
    Question::read(research(), request)
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
    assert_eq!(home(&question), "eu-west");
    let (here, _) = question.candidates.estimate(current()).unwrap();
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
    let cold = |question: &Question| {
        question.candidates.estimate(current()).unwrap().0.cold_start_probability
    };
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
    assert_eq!((facts.memory.get(), home(&question).as_str()), (128.0, "us-east"));
    assert!(question.candidates.current().is_none());
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
    assert_eq!(wrong_fields(|r| workload(r).memory_mb = Some(1048577.0)), ["workload.memory_mb"]);
    let area = |name: &str| pb::Home { place: Some(pb::home::Place::Area(name.to_owned())) };
    assert_eq!(wrong_fields(|r| workload(r).home = Some(area("x"))), ["workload.home.area"]);
    let ovh = |r: &mut pb::DecideRequest| workload(r).data_provider = "ovh".to_owned();
    assert_eq!(wrong_fields(ovh), ["workload.data_provider"]);
    let nowhere = |r: &mut pb::DecideRequest| r.current = Some(pb::Placement::default());
    assert_eq!(wrong_fields(nowhere), ["current.platform", "current.region", "current.memory_mb"]);
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
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let platforms =
        pb::Constraints { allowed_platforms: names(&["aws-lamda"]), ..Default::default() };
    assert_eq!(wrong(platforms), ["constraints.allowed_platforms[0]"]);
    let providers =
        pb::Constraints { allowed_providers: names(&["aws", "ovh"]), ..Default::default() };
    assert_eq!(wrong(providers), ["constraints.allowed_providers[1]"]);
    let regions = pb::Constraints { allowed_regions: names(&["gcp/eastus"]), ..Default::default() };
    assert_eq!(wrong(regions), ["constraints.allowed_regions[0]"]);
    let groups =
        pb::Constraints { allowed_residency: names(&["EU", "MARS"]), ..Default::default() };
    assert_eq!(wrong(groups), ["constraints.allowed_residency[1]"]);
    let processors =
        pb::Constraints { allowed_architectures: names(&["mips"]), ..Default::default() };
    assert_eq!(wrong(processors), ["constraints.allowed_architectures[0]"]);
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

/// The names of the allowed platforms, and the allowed placements on each.
fn allowed(question: &Question) -> Vec<(String, Vec<String>)> {
    let candidates = &question.candidates;
    let catalogue = candidates.catalogue();
    let of = |list: &strata_domain::PlacementList| {
        let indices = (0..list.placements.len()).filter(|index| list.list.allowed[*index]);
        let named = indices.filter_map(|index| list.placement(index));
        named.map(|(region, memory_mb)| format!("{region}/{memory_mb}")).collect()
    };
    let platforms = candidates.platforms(&question.facts);
    let names = platforms.platforms.iter().zip(&platforms.list.allowed);
    let names = names.filter(|(_, allowed)| **allowed);
    names
        .map(|(name, _)| {
            let platform = catalogue.find_platform(name).unwrap();
            (name.clone(), of(&candidates.placements(&question.facts, platform)))
        })
        .collect()
}

#[test]
fn what_is_allowed_sold_and_large_enough_is_left() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let question = read(|request| {
        workload(request).memory_mb = Some(300.0);
        constrain(
            request,
            pb::Constraints {
                allowed_providers: names(&["azure", "gcp"]),
                allowed_regions: names(&["southeastasia", "asia-southeast1", "us-east-1"]),
                max_memory_mb: 2048,
                ..Default::default()
            },
        );
    })
    .unwrap();
    let of = |region: &str, sizes: &[u32]| {
        sizes.iter().map(|size| format!("{region}/{size}")).collect::<Vec<_>>()
    };
    let expected = [
        // The consumption plan has at most 1536 MB.
        ("azure-functions-consumption".to_owned(), of("southeastasia", &[512, 1024])),
        ("gcp-functions-gen1".to_owned(), of("asia-southeast1", &[512, 1024, 2048])),
    ];
    assert_eq!(allowed(&question), expected);
}

#[test]
fn residency_and_architecture_are_limits_too() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let question = read(|request| {
        let eu = pb::Constraints {
            allowed_residency: names(&["EU"]),
            allowed_architectures: names(&["x86_64"]),
            min_memory_mb: 1024,
            max_memory_mb: 1024,
            ..Default::default()
        };
        constrain(request, eu);
    });
    let regions: Vec<_> = allowed(&question.unwrap()).into_iter().flat_map(|(_, r)| r).collect();
    assert_eq!(regions, ["eu-west-1/1024", "northeurope/1024", "europe-west1/1024"]);
    let fault = read(|request| {
        let arm =
            pb::Constraints { allowed_architectures: names(&["arm64"]), ..Default::default() };
        constrain(request, arm);
    });
    assert_eq!(fault.unwrap_err().kind, FaultKind::FailedPrecondition);
}

#[test]
fn a_function_outside_of_the_catalogue_is_decided_on_and_named() {
    let question =
        read(|request| request.current = Some(message("aws-lambda", "eu-central-1", 1536)));
    let question = question.unwrap();
    assert_eq!(question.unknown, ["current.region"]);
    assert!(question.candidates.current().is_none(), "nothing is known of staying there");
    assert_eq!(question.observed_memory_mb, 1536);
    let question = read(|request| request.current = Some(message("fly", "fra", 256))).unwrap();
    assert_eq!(question.unknown, ["current.platform"]);
    // A size that is not on sale is estimated between its neighbours.
    let between = read(|request| request.current = Some(message("aws-lambda", "eu-west-1", 768)));
    let between = between.unwrap();
    assert!(between.unknown.is_empty());
    let (estimate, _) = between.candidates.current().unwrap();
    let smaller = between.candidates.estimate(current()).unwrap().0;
    assert!(estimate.cost > smaller.cost * 0.5 && estimate.feasible, "{estimate:?}");
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
    for placement in research().candidates().iter().copied() {
        let (estimate, _) = all.candidates.estimate(placement).unwrap();
        let keeps = estimate.latency_ms <= slo && estimate.cost.get() <= ceiling;
        assert_eq!(
            question.candidates.allows(placement),
            keeps && all.candidates.allows(placement),
            "{placement:?}"
        );
        allowed += usize::from(question.candidates.allows(placement));
    }
    assert!((1..64).contains(&allowed), "{allowed}");
}

#[test]
fn the_objective_follows_the_weights() {
    let best = |weights: pb::ObjectiveWeights| {
        let question = read(|request| request.weights = Some(weights)).unwrap();
        let catalogue = research();
        let placements = catalogue.candidates().iter().copied();
        placements
            .filter(|placement| question.candidates.allows(*placement))
            .max_by(|a, b| {
                let objective = |placement| question.candidates.estimate(placement).unwrap().1;
                objective(*a).total_cmp(&objective(*b))
            })
            .map(|placement| *question.candidates.estimate(placement).unwrap().0)
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
        let slow = Placement { memory_mb: 128, ..current() };
        let (estimate, objective) = question.candidates.estimate(slow).unwrap();
        assert!(estimate.late_share > 0.9, "{estimate:?}");
        (objective, facts(&question).objective.sla_penalty)
    };
    let [none, usual, five] = [Some(0.0), None, Some(5.0)].map(objective);
    assert_eq!((none.1, usual.1, five.1), (0.0, 2.0, 5.0));
    let lost = [usual, five].map(|with| none.0 - with.0);
    assert!(lost[0] > 1.0 && (lost[1] - 2.5 * lost[0]).abs() < 1e-9, "{lost:?}");
}
