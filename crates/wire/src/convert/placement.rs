//! Placements and where callers are, in the names of a catalogue.

use std::fmt::Display;

use strata_domain::{
    Catalogue, Coordinates, Home, Location, Origin, Placement, PlatformId, ProviderId, RegionId,
    Running, did_you_mean,
};

use crate::{Violations, pb};

/// The largest memory size that is understood, in MB: 1 TB.
pub const MAX_MEMORY_MB: u32 = 1 << 20;

/// The platform of that name; adds a violation of `field` when the catalogue has none.
pub fn platform_from_pb(
    catalogue: &Catalogue,
    name: &str,
    field: impl Display,
    violations: &mut Violations,
) -> Option<PlatformId> {
    let found = catalogue.find_platform(name);
    if found.is_none() {
        let known = catalogue.platforms().map(|(_, platform)| platform.name.as_str());
        violations.add(field, unknown("platform", name, known));
    }
    found
}

/// The provider of that name; adds a violation of `field` when the catalogue has none.
pub fn provider_from_pb(
    catalogue: &Catalogue,
    name: &str,
    field: impl Display,
    violations: &mut Violations,
) -> Option<ProviderId> {
    let found = catalogue.find_provider(name);
    if found.is_none() {
        let known = catalogue.providers().map(|(_, name)| name);
        violations.add(field, unknown("provider", name, known));
    }
    found
}

/// The region of that name, written as `region` or `provider/region`; adds a violation of `field`
/// when the catalogue has none.
pub fn region_from_pb(
    catalogue: &Catalogue,
    name: &str,
    field: impl Display,
    violations: &mut Violations,
) -> Option<RegionId> {
    let found = match name.split_once('/') {
        Some((provider, region)) => catalogue
            .find_provider(provider)
            .and_then(|provider| catalogue.find_region(provider, region)),
        None => catalogue.find_region_anywhere(name),
    };
    if found.is_none() {
        let own = name.split_once('/').map_or(name, |(_, region)| region);
        let known = catalogue.regions().map(|(_, region)| region.name.as_str());
        violations.add(field, unknown("region", own, known));
    }
    found
}

/// What is wrong with a name that the catalogue does not have.
pub fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let hint = did_you_mean(name, known);
    match name {
        "" => format!("must name a {kind} of the catalogue"),
        name => format!("the catalogue has no {kind} `{}`{hint}", shortened(name)),
    }
}

/// What of a wrong name goes into a message.
fn shortened(name: &str) -> &str {
    const MOST: usize = 64;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// A memory size; adds a violation of `field` when it is 0 or too large.
pub fn memory_from_pb(megabytes: u32, field: impl Display, violations: &mut Violations) -> u32 {
    if !(1..=MAX_MEMORY_MB).contains(&megabytes) {
        violations.add(field, format_args!("must be 1 to {MAX_MEMORY_MB}, is {megabytes}"));
    }
    megabytes
}

/// Reads the placement at path `field`; adds a violation for every part that is missing or that the
/// catalogue does not have.
pub fn placement_from_pb(
    catalogue: &Catalogue,
    placement: &pb::Placement,
    field: &str,
    violations: &mut Violations,
) -> Option<Placement> {
    let name = &placement.platform;
    let platform = platform_from_pb(catalogue, name, format_args!("{field}.platform"), violations);
    let at = format_args!("{field}.memory_mb");
    let memory_mb = memory_from_pb(placement.memory_mb, at, violations);
    let platform = platform?;
    let provider = catalogue.provider_of(platform);
    let region = catalogue.find_region(provider, &placement.region);
    if region.is_none() {
        let of_provider =
            catalogue.regions().filter(|(id, _)| catalogue.provider_of_region(*id) == provider);
        let known = of_provider.map(|(_, region)| region.name.as_str());
        let kind = format!("region of {}", catalogue.provider(provider));
        let field = format_args!("{field}.region");
        violations.add(field, unknown(&kind, &placement.region, known));
    }
    Some(Placement { platform, region: region?, memory_mb })
}

/// Writes a placement to a message.
pub fn placement_to_pb(catalogue: &Catalogue, placement: Placement) -> pb::Placement {
    pb::Placement {
        platform: catalogue.platform(placement.platform).name.clone(),
        region: catalogue.region(placement.region).name.clone(),
        memory_mb: placement.memory_mb,
        provider: catalogue.provider(catalogue.provider_of(placement.platform)).to_owned(),
    }
}

/// The parts of a message that say where a function is.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// Where it runs.
    pub current: Option<&'a pb::Placement>,
    /// Where its callers are.
    pub home: Option<&'a pb::Home>,
    /// The provider that holds its data; may be empty.
    pub data_provider: &'a str,
    /// The paths of these three.
    pub fields: LocationFields,
}

/// Reads where a function is from the message at path `field`. Adds a violation for every part that
/// is missing or wrong, and to `outside` the path of what the catalogue does not have of where it
/// runs, which is no violation.
pub fn location_from_pb(
    catalogue: &Catalogue,
    places: Places<'_>,
    violations: &mut Violations,
    outside: &mut Vec<String>,
) -> Location {
    let fields = places.fields;
    let current = places.current.and_then(|current| {
        match running_from_pb(catalogue, current, fields.current, violations)? {
            Found::Here(running) => Some(running),
            Found::Elsewhere(running, field) => {
                outside.push(format!("{}.{field}", fields.current));
                running
            }
        }
    });
    let home = places.home.and_then(|home| home.place.as_ref());
    let callers = home.and_then(|place| origin_from_pb(catalogue, place, fields.home, violations));
    let running_in = current.and_then(|running| running.region);
    let here = |region| catalogue.area_of(region).map_or(Origin::Region(region), Origin::Area);
    let callers =
        callers.or(running_in.map(here)).unwrap_or_else(|| Origin::Area(catalogue.default_area()));
    let data = match places.data_provider {
        "" => None,
        name => provider_from_pb(catalogue, name, fields.data_provider, violations)
            .and_then(|provider| catalogue.nearest_region(provider, callers)),
    };
    Location { current, home: Home { callers, data } }
}

/// The paths of the fields that say where a function is.
#[derive(Debug, Clone, Copy)]
pub struct LocationFields {
    /// Of its placement.
    pub current: &'static str,
    /// Of its callers.
    pub home: &'static str,
    /// Of the provider that holds its data.
    pub data_provider: &'static str,
}

/// Where a function runs, as far as the catalogue has the place.
enum Found {
    Here(Running),
    /// With the field that names something the catalogue does not have.
    Elsewhere(Option<Running>, &'static str),
}

fn running_from_pb(
    catalogue: &Catalogue,
    current: &pb::Placement,
    field: &str,
    violations: &mut Violations,
) -> Option<Found> {
    for (name, value) in [("platform", &current.platform), ("region", &current.region)] {
        if value.is_empty() {
            violations.add(format_args!("{field}.{name}"), "must be given");
        }
    }
    let at = format_args!("{field}.memory_mb");
    let memory_mb = memory_from_pb(current.memory_mb, at, violations);
    if current.platform.is_empty() || current.region.is_empty() {
        return None;
    }
    let Some(platform) = catalogue.find_platform(&current.platform) else {
        return Some(Found::Elsewhere(None, "platform"));
    };
    let region = catalogue.find_region(catalogue.provider_of(platform), &current.region);
    let running = Running { platform, region, memory_mb };
    Some(match region {
        Some(_) => Found::Here(running),
        None => Found::Elsewhere(Some(running), "region"),
    })
}

fn origin_from_pb(
    catalogue: &Catalogue,
    place: &pb::home::Place,
    field: &str,
    violations: &mut Violations,
) -> Option<Origin> {
    match place {
        pb::home::Place::Area(name) => {
            let found = catalogue.find_area(name);
            if found.is_none() {
                let known = catalogue.areas().map(|(_, area)| area.name.as_str());
                violations.add(format_args!("{field}.area"), unknown("area", name, known));
            }
            found.map(Origin::Area)
        }
        pb::home::Place::Region(name) => {
            let field = format_args!("{field}.region");
            region_from_pb(catalogue, name, field, violations).map(Origin::Region)
        }
        pb::home::Place::Point(point) => {
            let mut degrees = |name: &str, value: f64, most: f64| {
                let field = format_args!("{field}.point.{name}");
                violations.number(field, value, -most..=most)
            };
            let latitude = degrees("latitude", point.latitude, 90.0);
            let longitude = degrees("longitude", point.longitude, 180.0);
            Some(Origin::Point(Coordinates { latitude, longitude }))
        }
    }
}

/// Writes where callers are to a message.
pub(super) fn home_to_pb(catalogue: &Catalogue, callers: Origin) -> pb::Home {
    let place = match callers {
        Origin::Area(area) => pb::home::Place::Area(catalogue.area(area).name.clone()),
        Origin::Region(region) => pb::home::Place::Region(format!(
            "{}/{}",
            catalogue.provider(catalogue.provider_of_region(region)),
            catalogue.region(region).name
        )),
        Origin::Point(Coordinates { latitude, longitude }) => {
            pb::home::Place::Point(pb::Coordinates { latitude, longitude })
        }
    };
    pb::Home { place: Some(place) }
}

#[cfg(test)]
mod tests;
