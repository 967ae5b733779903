//! Placements and their parts.

use std::fmt::Display;

use strata_domain::{MemoryTier, Placement, Provider, Region, choices};

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

/// The provider of a required field; adds a violation of `field` when it is missing or unknown.
pub fn required_provider_from_pb(
    value: i32,
    field: impl Display,
    violations: &mut Violations,
) -> Option<Provider> {
    let provider = provider_from_pb(value);
    if provider.is_none() {
        let known = Provider::ALL
            .map(|provider| format!("{} ({provider})", i32::from(provider_to_pb(provider))));
        violations.add(field, format_args!("must be {}, is {value}", choices(known)));
    }
    provider
}

/// The provider that holds a function's data, `None` for 0; adds a violation of `field` when the
/// value is not a provider.
pub fn data_provider_from_pb(
    value: i32,
    field: impl Display,
    violations: &mut Violations,
) -> Option<Provider> {
    let provider = provider_from_pb(value);
    if provider.is_none() && value != 0 {
        let most = Provider::COUNT;
        violations.add(field, format_args!("must be 0 to {most}, is {value}"));
    }
    provider
}

/// The region of a function's callers, `None` for 0; adds a violation of `field` when the value is
/// not a region.
pub fn home_from_pb(
    value: i32,
    field: impl Display,
    violations: &mut Violations,
) -> Option<Region> {
    let region = region_from_pb(value);
    if region.is_none() && value != 0 {
        let most = Region::COUNT;
        violations.add(field, format_args!("must be 0 to {most}, is {value}"));
    }
    region
}

/// The tier of exactly `megabytes`; adds a violation of `field` when there is none.
pub fn memory_from_pb(
    megabytes: u32,
    field: impl Display,
    violations: &mut Violations,
) -> Option<MemoryTier> {
    let tier = MemoryTier::from_megabytes(megabytes);
    if tier.is_none() {
        let known = MemoryTier::ALL.map(MemoryTier::megabytes);
        violations.add(field, format_args!("must be {}, is {megabytes}", choices(known)));
    }
    tier
}

/// Reads the placement from the message at path `field`; adds a violation for every part that is
/// missing or unknown.
pub fn placement_from_pb(
    placement: &pb::Placement,
    field: &str,
    violations: &mut Violations,
) -> Option<Placement> {
    let provider =
        required_provider_from_pb(placement.provider, format_args!("{field}.provider"), violations);
    let region = region_from_pb(placement.region);
    if region.is_none() {
        let (most, value) = (Region::COUNT, placement.region);
        let field = format_args!("{field}.region");
        violations.add(field, format_args!("must be 1 to {most}, is {value}"));
    }
    let memory = memory_from_pb(placement.memory_mb, format_args!("{field}.memory_mb"), violations);
    Some(Placement { provider: provider?, region: region?, memory: memory? })
}

/// Writes a placement to a message, with the provider's own name of the region.
pub fn placement_to_pb(placement: Placement) -> pb::Placement {
    pb::Placement {
        provider: provider_to_pb(placement.provider).into(),
        region: region_to_pb(placement.region).into(),
        memory_mb: placement.memory.megabytes(),
        provider_region: placement.provider_region().to_owned(),
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
}
