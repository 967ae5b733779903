//! From a checked document to the parts of a catalogue.

use std::collections::BTreeMap;

use strata_domain::{
    Area, BilledMemory, Billing, CatalogueParts, Coordinates, DistanceFit, Grid, Machines, Offer,
    Platform, Processors, Rates, Region, Size,
    cold_start::{ColdStarts, Eviction, StartDelay},
};

use crate::format::{
    BilledMemoryEntry, Document, MemorySizes, NodeEntry, PlatformEntry, PriceEntry, RegionEntry,
    RegionPriceEntry,
};

const HOURS: usize = 24;
const SECONDS_PER_HOUR: f64 = 3600.0;

/// The parts that a document without faults describes.
pub(crate) fn parts(document: &Document, revision: String) -> CatalogueParts {
    let keys: Vec<&str> = document.regions.keys().map(String::as_str).collect();
    let position = |key: &str| keys.binary_search(&key).ok();
    let platforms = document.platforms.iter().map(|(name, entry)| platform(name, entry));
    let regions = document.regions.iter().map(|(key, entry)| region(document, key, entry));
    let areas = document.areas.iter().map(|(name, area)| Area {
        name: name.clone(),
        regions: area.regions.iter().filter_map(|key| position(key)).collect(),
    });
    CatalogueParts {
        name: document.name.clone(),
        revision,
        platforms: platforms.collect(),
        reference_platform: place_of(&document.reference_platform, document.platforms.keys()),
        regions: regions.collect(),
        areas: areas.collect(),
        default_area: place_of(&document.default_area, document.areas.keys()),
        offers: offers(document, &position),
        round_trips_ms: round_trips(document),
        egress_usd_per_gb: egress(document),
        distance: DistanceFit {
            base_ms: document.round_trips.fit_base_ms,
            ms_per_km: document.round_trips.fit_ms_per_km,
        },
    }
}

fn place_of<'a>(wanted: &str, mut names: impl Iterator<Item = &'a String>) -> usize {
    names.position(|name| name == wanted).unwrap_or_default()
}

fn platform(name: &str, entry: &PlatformEntry) -> Platform {
    let size = |memory_mb: u32| Size {
        memory_mb,
        vcpus: vcpus(&entry.processors.vcpus, memory_mb),
        slowdown: slowdown(&entry.slowdown.cpu, memory_mb),
        billed_mb: entry.billing.billed_mb.get(&memory_mb).copied().unwrap_or(memory_mb.into()),
    };
    let cold = &entry.cold_start;
    let evictions = cold.removed.iter();
    Platform {
        name: name.to_owned(),
        provider: entry.provider.clone(),
        architecture: entry.architecture.into(),
        sizes: memory_sizes(&entry.memory_mb).into_iter().map(size).collect(),
        processors: entry
            .processors
            .shared_instance_mb
            .map_or(Processors::OfSize, |instance_mb| Processors::Shared { instance_mb }),
        wait: entry.slowdown.wait,
        billing: Billing {
            memory: match entry.billing.memory {
                BilledMemoryEntry::Configured => BilledMemory::Configured,
                BilledMemoryEntry::Used => BilledMemory::Used {
                    step_mb: entry.billing.used_step_mb.unwrap_or(1.0),
                    most_mb: entry.billing.used_most_mb.unwrap_or(f64::MAX),
                },
            },
            rounding_ms: entry.billing.rounding_ms,
            minimum_ms: entry.billing.minimum_ms,
        },
        cold_starts: ColdStarts {
            evictions: evictions
                .map(|&(idle_minutes, share)| Eviction { idle_minutes, share })
                .collect(),
            start: StartDelay::new(cold.mean_ms, cold.median_ms, cold.p95_ms),
        },
        longest_run_ms: entry.longest_run_s.map(|seconds| seconds * 1000.0),
        machines: Machines {
            idle_watts: entry.machines.idle_watts,
            full_watts: entry.machines.full_watts,
            embodied_g_per_vcpu_hour: entry.machines.embodied_g_per_vcpu_hour,
        },
    }
}

/// The sizes in MB, as many as a catalogue may have candidates at most.
pub(crate) fn memory_sizes(sizes: &MemorySizes) -> Vec<u32> {
    match sizes {
        MemorySizes::List(sizes) => sizes.clone(),
        MemorySizes::Range(range) => {
            let sizes = (range.min..=range.max).step_by(range.step.max(1) as usize);
            sizes.take(strata_domain::MAX_CANDIDATES + 1).collect()
        }
    }
}

/// A memory size in MB, and what a table says of it.
type Entry = (f64, f64);

/// The entries of a table around `at`: the last at or below, the first at or above.
fn around(table: &BTreeMap<u32, f64>, at: u32) -> (Option<Entry>, Option<Entry>) {
    let pair = |(memory_mb, value): (&u32, &f64)| (f64::from(*memory_mb), *value);
    (table.range(..=at).next_back().map(pair), table.range(at..).next().map(pair))
}

/// The processors of a memory size: interpolated, or beyond the table in proportion.
pub(crate) fn vcpus(table: &BTreeMap<u32, f64>, memory_mb: u32) -> f64 {
    let at = f64::from(memory_mb);
    match around(table, memory_mb) {
        (Some((low, from)), Some((high, to))) if high > low => {
            from + (to - from) * (at - low) / (high - low)
        }
        (Some((_, exact)), Some(_)) => exact,
        (Some((nearest, value)), None) | (None, Some((nearest, value))) => value * at / nearest,
        (None, None) => 0.0,
    }
}

fn slowdown(table: &BTreeMap<u32, f64>, memory_mb: u32) -> f64 {
    let at = f64::from(memory_mb);
    match around(table, memory_mb) {
        (Some((low, from)), Some((high, to))) if high > low => {
            from * (to / from).powf((at / low).ln() / (high / low).ln())
        }
        (Some((_, nearest)), _) | (None, Some((_, nearest))) => nearest,
        (None, None) => 1.0,
    }
}

fn region(document: &Document, key: &str, entry: &RegionEntry) -> Region {
    let (provider, name) = key.split_once('/').unwrap_or(("", key));
    let grid = document.grids.get(&entry.grid);
    let hours = grid.and_then(|grid| document.hours.get(grid.hours.as_ref()?));
    let mut by_hour = [1.0; HOURS];
    if let Some(hours) = hours {
        by_hour.iter_mut().zip(hours).for_each(|(to, from)| *to = *from);
    }
    Region {
        name: name.to_owned(),
        provider: provider.to_owned(),
        place: entry.place.clone(),
        point: point(entry),
        residency: entry.residency.clone(),
        grid: Grid {
            zone: entry.grid.clone(),
            mean: grid.map_or(0.0, |grid| grid.mean_g_per_kwh),
            by_hour,
        },
        pue: entry.pue.value,
        internet_usd_per_gb: entry.egress.internet_usd_per_gb,
    }
}

fn point(entry: &RegionEntry) -> Coordinates {
    Coordinates { latitude: entry.latitude, longitude: entry.longitude }
}

fn offers(document: &Document, position: &dyn Fn(&str) -> Option<usize>) -> Vec<Offer> {
    let mut offers = Vec::new();
    for (index, entry) in document.platforms.values().enumerate() {
        let discount = document.providers.get(&entry.provider).map_or(0.0, |p| p.discount);
        for (name, different) in &entry.regions {
            let key = format!("{}/{name}", entry.provider);
            let Some(region) = position(&key) else { continue };
            let different = different.clone().unwrap_or_default();
            let rates = rates(&entry.price, &different, discount);
            offers.push(Offer { platform: index, region, rates });
        }
    }
    offers
}

/// What a region charges, after the discount.
pub(crate) fn rates(price: &PriceEntry, different: &RegionPriceEntry, discount: f64) -> Rates {
    let node = price.node.map(node_gb_second_usd);
    let gb_second_usd = different.gb_second_usd.or(price.gb_second_usd).or(node);
    let vcpu_second_usd = different.vcpu_second_usd.or(price.vcpu_second_usd);
    let paid = 1.0 - discount;
    Rates {
        request_usd: different.request_usd.unwrap_or(price.request_usd) * paid,
        gb_second_usd: gb_second_usd.unwrap_or_default() * paid,
        vcpu_second_usd: vcpu_second_usd.unwrap_or_default() * paid,
    }
}

fn node_gb_second_usd(node: NodeEntry) -> f64 {
    node.usd_per_hour / SECONDS_PER_HOUR / node.memory_gb / node.utilisation
}

/// Measured round trips where there are any, else by distance.
fn round_trips(document: &Document) -> Vec<f64> {
    let trips = &document.round_trips;
    let fit = DistanceFit { base_ms: trips.fit_base_ms, ms_per_km: trips.fit_ms_per_km };
    let measured = |from: &str, to: &str| trips.measured_ms.get(from)?.get(to).copied();
    let mut table = Vec::with_capacity(document.regions.len().pow(2));
    for (from, here) in &document.regions {
        for (to, there) in &document.regions {
            table.push(if from == to {
                trips.within_ms
            } else {
                measured(from, to)
                    .or_else(|| measured(to, from))
                    .unwrap_or_else(|| fit.round_trip_ms(point(here), point(there)))
            });
        }
    }
    table
}

fn egress(document: &Document) -> Vec<f64> {
    let provider = |key: &str| key.split('/').next().unwrap_or_default().to_owned();
    let mut table = Vec::with_capacity(document.regions.len().pow(2));
    for (from, entry) in &document.regions {
        let egress = &entry.egress;
        for to in document.regions.keys() {
            let usual = if provider(from) == provider(to) {
                egress.same_provider_usd_per_gb
            } else {
                egress.internet_usd_per_gb
            };
            let price = egress.to.get(to).copied().unwrap_or(usual);
            table.push(if from == to { 0.0 } else { price });
        }
    }
    table
}
