//! Regions, areas, grids and round trips.

use std::{collections::BTreeMap, ops::RangeInclusive};

use strata_domain::{Coordinates, MAX_REGIONS};

use super::{checker::Checker, name};
use crate::format::{Document, RegionEntry};

const LATITUDES: RangeInclusive<f64> = -90.0..=90.0;
const LONGITUDES: RangeInclusive<f64> = -180.0..=180.0;
const HOURS: usize = 24;
/// Hourly shapes are rounded to three decimals.
const HOURS_ERROR: f64 = 0.01;
/// No grid is dirtier: the dirtiest coal has about 1300.
const MOST_G_PER_KWH: f64 = 2000.0;
const MOST_PUE: f64 = 5.0;
const MOST_EGRESS_USD: f64 = 100.0;
const MOST_ROUND_TRIP_MS: f64 = 2000.0;
/// Light in fibre needs 1 ms there and back for each 100 km.
const KM_PER_MS: f64 = 100.0;
/// Of a fit: from light in fibre to ten times that.
const MS_PER_KM: RangeInclusive<f64> = 0.01..=0.1;
/// Places are known to within some dozens of km.
const PLACE_ERROR_KM: f64 = 200.0;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let count = document.regions.len();
    if count == 0 || count > MAX_REGIONS {
        checker.fault("regions", format!("must be 1 to {MAX_REGIONS}, are {count}"));
    }
    for (key, entry) in &document.regions {
        region(checker, &format!("regions.{key}"), key, entry);
    }
    areas(checker);
    for (zone, grid) in &document.grids {
        let place = format!("grids.{zone}");
        checker.source(&place, &grid.source);
        let at = format!("{place}.mean_g_per_kwh");
        checker.within(&at, grid.mean_g_per_kwh, 0.0..=MOST_G_PER_KWH);
        if let Some(hours) = &grid.hours {
            let known = document.hours.keys().map(String::as_str);
            checker.reference(format!("{place}.hours"), ("shape of a day", hours), known);
        }
    }
    for (name, hours) in &document.hours {
        let place = format!("hours.{name}");
        let sum: f64 = hours.iter().sum();
        if hours.len() != HOURS {
            checker.fault(place, format!("must have {HOURS} values, has {}", hours.len()));
        } else if (sum / HOURS as f64 - 1.0).abs() > HOURS_ERROR {
            checker.fault(place, format!("must be 1 on average, are {}", sum / HOURS as f64));
        } else if let Some(bad) = hours.iter().find(|hour| !(0.0..=10.0).contains(*hour)) {
            checker.fault(place, format!("must be 0 to 10 each, one is {bad}"));
        }
    }
    round_trips(checker);
}

fn region<'a>(checker: &mut Checker<'a>, place: &str, key: &str, entry: &'a RegionEntry) {
    match key.split_once('/') {
        Some((provider, own)) => {
            name(checker, place, provider);
            name(checker, place, own);
        }
        None => checker.fault(place, "must be named `provider/region`".to_owned()),
    }
    checker.within(&format!("{place}.latitude"), entry.latitude, LATITUDES);
    checker.within(&format!("{place}.longitude"), entry.longitude, LONGITUDES);
    let grids = checker.document.grids.keys().map(String::as_str);
    checker.reference(format!("{place}.grid"), ("grid", &entry.grid), grids);
    checker.source(&format!("{place}.pue"), &entry.pue.source);
    checker.within(&format!("{place}.pue.value"), entry.pue.value, 1.0..=MOST_PUE);
    for group in &entry.residency {
        name(checker, &format!("{place}.residency"), group);
    }
    let egress = &entry.egress;
    let at = format!("{place}.egress");
    checker.source(&at, &egress.source);
    let internet = egress.internet_usd_per_gb;
    checker.within(&format!("{at}.internet_usd_per_gb"), internet, 0.0..=MOST_EGRESS_USD);
    let same = egress.same_provider_usd_per_gb;
    checker.within(&format!("{at}.same_provider_usd_per_gb"), same, 0.0..=MOST_EGRESS_USD);
    for (to, price) in &egress.to {
        checker.region(format!("{at}.to.{to}"), to);
        checker.within(&format!("{at}.to.{to}"), *price, 0.0..=MOST_EGRESS_USD);
    }
    let sold = |document: &Document| {
        document.platforms.values().any(|platform| {
            let key = key.strip_prefix(platform.provider.as_str());
            key.and_then(|key| key.strip_prefix('/'))
                .is_some_and(|own| platform.regions.contains_key(own))
        })
    };
    if !sold(checker.document) {
        checker.warning(place, "no platform is sold there".to_owned());
    }
}

fn areas(checker: &mut Checker<'_>) {
    let document = checker.document;
    if document.areas.is_empty() {
        checker.fault("areas", "must have at least one".to_owned());
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, area) in &document.areas {
        let place = format!("areas.{key}");
        name(checker, &place, key);
        if area.regions.is_empty() {
            checker.fault(place.as_str(), "must have at least one region".to_owned());
        }
        for (index, region) in area.regions.iter().enumerate() {
            let place = format!("{place}.regions[{index}]");
            checker.region(place.as_str(), region);
            if let Some(other) = seen.insert(region, key) {
                checker.fault(place, format!("`{region}` is already in the area `{other}`"));
            }
        }
    }
}

fn round_trips(checker: &mut Checker<'_>) {
    let trips = &checker.document.round_trips;
    checker.source("round_trips", &trips.source);
    for (name, value) in [
        ("within_ms", trips.within_ms),
        ("fit_base_ms", trips.fit_base_ms),
        ("fit_error_p50_ms", trips.fit_error_p50_ms),
        ("fit_error_p90_ms", trips.fit_error_p90_ms),
    ] {
        checker.within(&format!("round_trips.{name}"), value, 0.0..=MOST_ROUND_TRIP_MS);
    }
    checker.within("round_trips.fit_ms_per_km", trips.fit_ms_per_km, MS_PER_KM);
    if trips.fit_error_p90_ms < trips.fit_error_p50_ms {
        let text = format!("must be at least fit_error_p50_ms, {}", trips.fit_error_p50_ms);
        checker.fault("round_trips.fit_error_p90_ms", text);
    }
    for (from, row) in &trips.measured_ms {
        let place = format!("round_trips.measured_ms.{from}");
        checker.region(place.as_str(), from);
        for (to, value) in row {
            let place = format!("{place}.{to}");
            checker.region(place.as_str(), to);
            checker.positive(&place, *value, MOST_ROUND_TRIP_MS);
            if from == to {
                checker.fault(place, "within a region, `within_ms` counts".to_owned());
                continue;
            }
            let regions = &checker.document.regions;
            let (Some(here), Some(there)) = (regions.get(from), regions.get(to)) else { continue };
            let (Some(here), Some(there)) = (point(here), point(there)) else { continue };
            let km = here.distance_km(there);
            if (km - PLACE_ERROR_KM) / KM_PER_MS > *value {
                let text = format!("is {value} ms for {km:.0} km: faster than light in fibre");
                checker.fault(place.as_str(), text);
            }
            let back = trips.measured_ms.get(to).and_then(|row| row.get(from));
            if let Some(back) = back.filter(|back| from < to && *back != value) {
                let text = format!("is {value} ms, the other direction says {back}");
                checker.fault(place, text);
            }
        }
    }
}

/// Where a region is, if that is on the globe.
fn point(&RegionEntry { latitude, longitude, .. }: &RegionEntry) -> Option<Coordinates> {
    let on_globe = LATITUDES.contains(&latitude) && LONGITUDES.contains(&longitude);
    on_globe.then_some(Coordinates { latitude, longitude })
}
