//! Valid requests, which tests send as they are or change.

use prost_types::Timestamp;
use strata_wire::pb;

/// 2026-11-24T10:00:00Z, a Tuesday.
pub const MOMENT: Timestamp = Timestamp { seconds: 1_795_514_400, nanos: 0 };

/// Twelve steps of telemetry with a rising load.
pub fn steps() -> Vec<pb::TelemetryStep> {
    let step = |i: u32| pb::TelemetryStep {
        request_rate: 4.0 + 0.3 * f64::from(i),
        memory_util: 0.40 + 0.005 * f64::from(i),
        cpu_util: 0.2 + 0.01 * f64::from(i),
        queue_depth: f64::from(i % 3),
    };
    (0..12).map(step).collect()
}

/// A placement on AWS in Virginia.
pub fn placement(memory_mb: u32) -> pb::Placement {
    pb::Placement {
        platform: "aws-lambda".to_owned(),
        region: "us-east-1".to_owned(),
        memory_mb,
        provider: String::new(),
    }
}

/// A request to decide about a function that runs on AWS in Virginia. Requests with different
/// numbers are about different functions with different workloads.
pub fn decide(number: usize) -> pb::DecideRequest {
    let varied = (number % 97) as f64;
    pb::DecideRequest {
        correlation_id: number.to_string(),
        function: Some(pb::Function {
            application: "shop".to_owned(),
            function: format!("checkout-{number}"),
        }),
        at: Some(MOMENT),
        current: Some(placement(1024)),
        workload: Some(pb::Workload {
            avg_duration_ms: Some(120.0 + 11.0 * varied),
            std_duration_ms: Some(30.0),
            memory_mb: Some(90.0 + varied),
            ..pb::Workload::default()
        }),
        telemetry: steps(),
        ..pb::DecideRequest::default()
    }
}

/// The facts of a function.
pub fn facts() -> pb::FunctionFacts {
    pb::FunctionFacts {
        at: Some(MOMENT),
        invocation_rate_per_minute: 340.0,
        inter_arrival_ms: 176.0,
        duration_ms: 320.0,
        avg_duration_ms: 310.0,
        std_duration_ms: 40.0,
        memory_mb: 410.0,
        avg_cost_usd: 5.5e-6,
        avg_carbon_g: 2e-4,
        current: Some(placement(1024)),
        ..pb::FunctionFacts::default()
    }
}

/// A request to the strategic layer.
pub fn select() -> pb::SelectRequest {
    pb::SelectRequest { facts: Some(facts().into()), explain: true, ..Default::default() }
}

/// A request to the tactical layer.
pub fn place() -> pb::PlaceRequest {
    pb::PlaceRequest {
        facts: Some(facts().into()),
        platform: "aws-lambda".to_owned(),
        explain: true,
        ..Default::default()
    }
}

/// The platforms of the research framework, in the order of its models.
pub const PLATFORMS: [&str; 3] =
    ["aws-lambda", "azure-functions-consumption", "gcp-functions-gen1"];

/// How many numbers a request says of each candidate.
pub const VALUES: usize = 12;

/// [`select`] with these platforms to choose from, and whether each may be chosen.
pub fn select_among(named: &[(&str, bool)]) -> pb::SelectRequest {
    let candidates = pb::PlatformCandidates {
        platforms: named.iter().map(|(name, _)| (*name).to_owned()).collect(),
        table: Some(pb::CandidateTable {
            allowed: named.iter().map(|(_, allowed)| *allowed).collect(),
            values: vec![0.5; VALUES * named.len()],
        }),
    };
    pb::SelectRequest { candidates: Some(candidates.into()), ..select() }
}

/// [`place`] with these regions and memory sizes to choose from.
pub fn place_among(listed: &[(&str, u32)]) -> pb::PlaceRequest {
    let candidates = pb::PlacementCandidates {
        regions: listed.iter().map(|(region, _)| (*region).to_owned()).collect(),
        region: (0..listed.len() as u32).collect(),
        memory_mb: listed.iter().map(|(_, memory_mb)| *memory_mb).collect(),
        table: Some(pb::CandidateTable {
            values: vec![0.5; VALUES * listed.len()],
            ..Default::default()
        }),
    };
    pb::PlaceRequest { candidates: Some(candidates.into()), ..place() }
}

/// A request to the operational layer.
pub fn forecast() -> pb::ForecastRequest {
    pb::ForecastRequest {
        at: Some(MOMENT),
        steps: steps(),
        observed_memory_mb: 1024,
        memory_mb: 512,
        keep_alive_minutes: 7.0,
        ..Default::default()
    }
}

/// `decide(number)` with the scores of the layers in its answer.
pub fn decide_explained(number: usize) -> pb::DecideRequest {
    let options = pb::Options { explain: true, ..pb::Options::default() };
    pb::DecideRequest { options: Some(options), ..decide(number) }
}

/// The shares of traffic that versions of a model get, in percent.
pub fn traffic(shares: &[(u32, u32)]) -> pb::SetTrafficRequest {
    let share = |(version, percent): &(u32, u32)| pb::TrafficShare {
        version: *version,
        percent: *percent,
        ..Default::default()
    };
    pb::SetTrafficRequest { shares: shares.iter().map(share).collect(), ..Default::default() }
}
