//! Between generated messages and the domain's types. Everything from outside is checked here.

use std::fmt;

use prost_types::Timestamp;
use strata_domain::{
    Estimate, MemoryTier, Placement, Provider, RecentGaps, Region, UtcTime, Weights,
};

use crate::{Violations, pb};

/// The domain's provider for an enum value; `None` when unspecified or unknown.
pub fn provider_from_pb(value: i32) -> Option<Provider> {
    match pb::Provider::try_from(value).ok()? {
        pb::Provider::Unspecified => None,
        pb::Provider::Aws => Some(Provider::Aws),
        pb::Provider::Azure => Some(Provider::Azure),
        pb::Provider::Gcp => Some(Provider::Gcp),
    }
}

/// The enum value of a provider.
pub const fn provider_to_pb(provider: Provider) -> pb::Provider {
    match provider {
        Provider::Aws => pb::Provider::Aws,
        Provider::Azure => pb::Provider::Azure,
        Provider::Gcp => pb::Provider::Gcp,
    }
}

/// The domain's region for an enum value; `None` when unspecified or unknown.
pub fn region_from_pb(value: i32) -> Option<Region> {
    match pb::Region::try_from(value).ok()? {
        pb::Region::Unspecified => None,
        pb::Region::UsEast1 => Some(Region::UsEast),
        pb::Region::UsWest2 => Some(Region::UsWest),
        pb::Region::EuWest1 => Some(Region::EuWest),
        pb::Region::ApSoutheast1 => Some(Region::ApSoutheast),
    }
}

/// The enum value of a region.
pub const fn region_to_pb(region: Region) -> pb::Region {
    match region {
        Region::UsEast => pb::Region::UsEast1,
        Region::UsWest => pb::Region::UsWest2,
        Region::EuWest => pb::Region::EuWest1,
        Region::ApSoutheast => pb::Region::ApSoutheast1,
    }
}

/// Weights of an objective as a message; they add up to 1.
pub const fn weights_to_pb(weights: Weights) -> pb::ObjectiveWeights {
    pb::ObjectiveWeights {
        cost: weights.cost(),
        performance: weights.performance(),
        carbon: weights.carbon(),
    }
}

/// The tier of exactly `megabytes`; notes a violation of `field` when there is none.
pub fn memory_from_pb(
    megabytes: u32,
    field: impl fmt::Display,
    violations: &mut Violations,
) -> Option<MemoryTier> {
    let tier = MemoryTier::from_megabytes(megabytes);
    if tier.is_none() {
        violations
            .add(field, format_args!("must be 128, 256, 512, 1024, 2048 or 3008, is {megabytes}"));
    }
    tier
}

/// The idle time and the gaps in a message whose path is `field`; notes what is wrong with them.
pub fn calls_from_pb(
    calls: &pb::CallHistory,
    field: &str,
    violations: &mut Violations,
) -> (Option<f64>, RecentGaps) {
    let range = 0.0..=f64::MAX;
    let idle = format_args!("{field}.idle_seconds");
    let idle_seconds = violations.optional_number(idle, calls.idle_seconds, range);
    let (most, count) = (RecentGaps::MOST, calls.gap_seconds.len());
    if count > most {
        let range = format_args!("must be at most {most}, are {count}");
        violations.add(format_args!("{field}.gap_seconds"), range);
        return (idle_seconds, RecentGaps::default());
    }
    let gaps = calls.gap_seconds.iter().enumerate().map(|(index, gap)| {
        let field = format_args!("{field}.gap_seconds[{index}]");
        violations.number(field, f64::from(*gap), 0.0..=f64::MAX)
    });
    (idle_seconds, gaps.collect())
}

/// A message of an idle time and gaps; `None` when nothing is known.
pub fn calls_to_pb(idle_seconds: Option<f64>, gaps: &RecentGaps) -> Option<pb::CallHistory> {
    let gap_seconds = gaps.as_slice().to_vec();
    let known = idle_seconds.is_some() || !gap_seconds.is_empty();
    known.then_some(pb::CallHistory { idle_seconds, gap_seconds, ..Default::default() })
}

/// The placement in a message whose path is `field`; notes a violation for every part that is missing or unknown.
pub fn placement_from_pb(
    placement: &pb::Placement,
    field: &str,
    violations: &mut Violations,
) -> Option<Placement> {
    let provider = provider_from_pb(placement.provider);
    if provider.is_none() {
        violations.add(
            format_args!("{field}.provider"),
            format_args!("must be 1 (AWS), 2 (Azure) or 3 (GCP), is {}", placement.provider),
        );
    }
    let region = region_from_pb(placement.region);
    if region.is_none() {
        violations.add(
            format_args!("{field}.region"),
            format_args!("must be 1 to 4, is {}", placement.region),
        );
    }
    let memory = memory_from_pb(placement.memory_mb, format_args!("{field}.memory_mb"), violations);
    Some(Placement { provider: provider?, region: region?, memory: memory? })
}

/// The message of a placement, with the provider's own name of the region.
pub fn placement_to_pb(placement: Placement) -> pb::Placement {
    pb::Placement {
        provider: provider_to_pb(placement.provider).into(),
        region: region_to_pb(placement.region).into(),
        memory_mb: placement.memory.megabytes(),
        provider_region: placement.provider_region().to_owned(),
    }
}

/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// The moment in a timestamp, to the second; notes a violation of `field` outside the years 1970 to 9999.
pub fn time_from_pb(
    timestamp: &Timestamp,
    field: impl fmt::Display,
    violations: &mut Violations,
) -> Option<UtcTime> {
    if !(0..=999_999_999).contains(&timestamp.nanos) {
        violations.add(
            field,
            format_args!("must have 0 to 999,999,999 nanoseconds, has {}", timestamp.nanos),
        );
        return None;
    }
    if !(0..=LAST_SECOND).contains(&timestamp.seconds) {
        violations.add(
            field,
            format_args!("must be in the years 1970 to 9999, is {} s", timestamp.seconds),
        );
        return None;
    }
    Some(UtcTime::from_unix_seconds(timestamp.seconds))
}

/// The timestamp of a moment.
pub const fn time_to_pb(time: UtcTime) -> Timestamp {
    Timestamp { seconds: time.unix_seconds(), nanos: 0 }
}

/// The message of an estimate and its objective.
pub fn estimate_to_pb(estimate: &Estimate, objective: f64) -> pb::Estimate {
    pb::Estimate {
        cost_usd: estimate.cost.get(),
        latency_ms: estimate.latency_ms,
        carbon_g: estimate.carbon.get(),
        cold_start_probability: estimate.cold_start_probability,
        objective,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_placement_survives_the_wire() {
        for placement in Placement::all() {
            let mut violations = Violations::new();
            let message = placement_to_pb(placement);
            assert_eq!(placement_from_pb(&message, "current", &mut violations), Some(placement));
            assert!(violations.is_empty());
        }
    }

    #[test]
    fn every_bad_part_is_named() {
        let bad = pb::Placement { provider: 9, memory_mb: 200, ..pb::Placement::default() };
        let mut violations = Violations::new();
        assert_eq!(placement_from_pb(&bad, "current", &mut violations), None);
        let fields: Vec<_> =
            violations.into_fault().violations.into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["current.provider", "current.region", "current.memory_mb"]);
    }

    #[test]
    fn moments_outside_the_calendar_are_refused() {
        let mut violations = Violations::new();
        let mut check = |seconds, nanos| {
            time_from_pb(&Timestamp { seconds, nanos }, "at", &mut violations).is_some()
        };
        assert!(check(0, 0) && check(LAST_SECOND, 999_999_999));
        assert!(!check(-1, 0) && !check(LAST_SECOND + 1, 0) && !check(0, -1));
        assert!(!check(i64::MAX, i32::MAX) && !check(0, 1_000_000_000));
    }

    #[test]
    fn numbers_are_checked_with_their_path() {
        let mut violations = Violations::new();
        assert_eq!(violations.number("ok", 0.5, 0.0..=1.0), 0.5);
        assert!(violations.is_empty());
        for bad in [f64::NAN, f64::INFINITY, -0.1, f64::NEG_INFINITY] {
            violations.number(format_args!("steps[{}].cpu_util", 3), bad, 0.0..=1.0);
        }
        let fault = violations.into_fault();
        assert_eq!(fault.violations.len(), 4);
        assert!(fault.violations.iter().all(|v| v.field == "steps[3].cpu_util"));
        assert!(fault.message.ends_with("(and 3 more)"));
    }
}
