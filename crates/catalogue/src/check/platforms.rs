//! Platforms: sizes, processors, billing rules, cold starts.

use std::{collections::BTreeMap, ops::RangeInclusive};

use strata_domain::{MAX_CANDIDATES, MAX_PLATFORMS};

use super::{checker::Checker, name};
use crate::{
    format::{BilledMemoryEntry, BillingEntry, ColdStartEntry, MemorySizes, PlatformEntry},
    resolve::{memory_sizes, vcpus},
};

/// The largest memory size: 1 TB.
const MOST_MEMORY_MB: u32 = 1 << 20;
const LEAST_VCPUS: f64 = 1e-3;
const MOST_VCPUS: f64 = 1024.0;
/// More than any platform slows a function down, or speeds it up.
const SLOWDOWNS: RangeInclusive<f64> = 0.01..=1000.0;
const DAY_MS: f64 = 86_400_000.0;
const DAY_S: f64 = 86_400.0;
const YEAR_MINUTES: f64 = 525_600.0;
const MOST_WATTS: f64 = 1000.0;
/// Shares of evictions are rounded; their sum is off by no more than this.
const SHARES_ERROR: f64 = 1e-2;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let count = document.platforms.len();
    if count == 0 || count > MAX_PLATFORMS {
        checker.fault("platforms", format!("must be 1 to {MAX_PLATFORMS}, are {count}"));
    }
    let mut candidates = 0;
    for (key, platform) in &document.platforms {
        let place = format!("platforms.{key}");
        name(checker, &place, key);
        name(checker, &format!("{place}.provider"), &platform.provider);
        sizes(checker, &place, &platform.memory_mb);
        figures(checker, &place, platform);
        billing(checker, &format!("{place}.billing"), &platform.billing);
        cold_start(checker, &format!("{place}.cold_start"), &platform.cold_start);
        if platform.regions.is_empty() {
            checker.fault(format!("{place}.regions"), "it is sold nowhere".to_owned());
        }
        for region in platform.regions.keys() {
            let place = format!("{place}.regions.{region}");
            checker.region(place, &format!("{}/{region}", platform.provider));
        }
        candidates += memory_sizes(&platform.memory_mb).len() * platform.regions.len();
    }
    if candidates > MAX_CANDIDATES {
        let text = format!("make {candidates} placements; at most {MAX_CANDIDATES} are allowed");
        checker.fault("platforms", text);
    }
}

fn sizes(checker: &mut Checker<'_>, place: &str, sizes: &MemorySizes) {
    let place = format!("{place}.memory_mb");
    if let MemorySizes::Range(range) = sizes
        && (range.step == 0 || range.min > range.max)
    {
        let text = "a range needs a step above 0, and min at most max".to_owned();
        return checker.fault(place, text);
    }
    let sizes = memory_sizes(sizes);
    match (sizes.first(), sizes.last()) {
        (None, _) | (_, None) => checker.fault(place, "must have at least one size".to_owned()),
        (Some(0), _) => checker.fault(place, "sizes must be above 0".to_owned()),
        (_, Some(largest)) if *largest > MOST_MEMORY_MB => {
            checker.fault(place, format!("sizes must be at most {MOST_MEMORY_MB}, is {largest}"));
        }
        _ => {
            if let Some(pair) = sizes.windows(2).find(|pair| pair[0] >= pair[1]) {
                let text = format!("sizes must ascend: {} follows {}", pair[1], pair[0]);
                checker.fault(place, text);
            }
        }
    }
}

fn figures<'a>(checker: &mut Checker<'a>, place: &str, platform: &'a PlatformEntry) {
    let processors = &platform.processors;
    let at = format!("{place}.processors");
    checker.source(&at, &processors.source);
    table(checker, &format!("{at}.vcpus"), &processors.vcpus, LEAST_VCPUS..=MOST_VCPUS);
    let sizes = memory_sizes(&platform.memory_mb);
    let largest = sizes.last().filter(|most_mb| **most_mb <= MOST_MEMORY_MB);
    let extrapolated = largest.map(|most_mb| (most_mb, vcpus(&processors.vcpus, *most_mb)));
    if let Some((most_mb, vcpus)) = extrapolated.filter(|(_, vcpus)| *vcpus > MOST_VCPUS) {
        let text = format!("mean {vcpus} for {most_mb} MB; at most {MOST_VCPUS} are allowed");
        checker.fault(format!("{at}.vcpus"), text);
    }
    if let Some(instance_mb) = processors.shared_instance_mb {
        checker.positive(&format!("{at}.shared_instance_mb"), instance_mb, MOST_MEMORY_MB.into());
    }
    let slowdown = &platform.slowdown;
    let at = format!("{place}.slowdown");
    checker.source(&at, &slowdown.source);
    table(checker, &format!("{at}.cpu"), &slowdown.cpu, SLOWDOWNS);
    checker.within(&format!("{at}.wait"), slowdown.wait, SLOWDOWNS);
    let mut before = None;
    for (memory_mb, factor) in &slowdown.cpu {
        if let Some((smaller, less)) = before.filter(|(_, less)| factor > less) {
            let text = format!("is {factor}, slower than {less} at {smaller} MB");
            checker.fault(format!("{at}.cpu.{memory_mb}"), text);
        }
        before = Some((*memory_mb, *factor));
    }
    if let Some(longest) = platform.longest_run_s {
        checker.positive(&format!("{place}.longest_run_s"), longest, 365.0 * DAY_S);
    }
    let machines = &platform.machines;
    let at = format!("{place}.machines");
    checker.source(&at, &machines.source);
    checker.within(&format!("{at}.idle_watts"), machines.idle_watts, 0.0..=MOST_WATTS);
    checker.within(&format!("{at}.full_watts"), machines.full_watts, 0.0..=MOST_WATTS);
    if machines.full_watts < machines.idle_watts {
        let text = format!("must be at least idle_watts, {}", machines.idle_watts);
        checker.fault(format!("{at}.full_watts"), text);
    }
    let embodied = machines.embodied_g_per_vcpu_hour;
    checker.within(&format!("{at}.embodied_g_per_vcpu_hour"), embodied, 0.0..=1e4);
}

/// A table by memory size must have an entry, and only values within a range.
fn table(
    checker: &mut Checker<'_>,
    place: &str,
    table: &BTreeMap<u32, f64>,
    range: RangeInclusive<f64>,
) {
    if table.is_empty() {
        checker.fault(place, "must have at least one memory size".to_owned());
    }
    for (memory_mb, value) in table {
        checker.within(&format!("{place}.{memory_mb}"), *value, range.clone());
        if *memory_mb == 0 {
            checker.fault(format!("{place}.0"), "no memory size is 0".to_owned());
        }
    }
}

fn billing<'a>(checker: &mut Checker<'a>, place: &str, billing: &'a BillingEntry) {
    checker.source(place, &billing.source);
    checker.positive(&format!("{place}.rounding_ms"), billing.rounding_ms, DAY_MS);
    checker.within(&format!("{place}.minimum_ms"), billing.minimum_ms, 0.0..=DAY_MS);
    for (memory_mb, billed) in &billing.billed_mb {
        checker.positive(
            &format!("{place}.billed_mb.{memory_mb}"),
            *billed,
            f64::from(MOST_MEMORY_MB),
        );
    }
    let used = billing.memory == BilledMemoryEntry::Used;
    for (name, value) in
        [("used_step_mb", billing.used_step_mb), ("used_most_mb", billing.used_most_mb)]
    {
        let at = format!("{place}.{name}");
        match value {
            Some(value) if used => checker.positive(&at, value, MOST_MEMORY_MB.into()),
            None if used => checker.fault(at, "must be given with `memory: used`".to_owned()),
            Some(_) => checker.fault(at, "has no meaning without `memory: used`".to_owned()),
            None => {}
        }
    }
    if let (Some(step_mb), Some(most_mb)) = (billing.used_step_mb, billing.used_most_mb)
        && most_mb < step_mb
    {
        let text = format!("must be at least used_step_mb, {step_mb}, is {most_mb}");
        checker.fault(format!("{place}.used_most_mb"), text);
    }
}

fn cold_start<'a>(checker: &mut Checker<'a>, place: &str, cold: &'a ColdStartEntry) {
    checker.source(place, &cold.source);
    for (name, value) in
        [("mean_ms", cold.mean_ms), ("median_ms", cold.median_ms), ("p95_ms", cold.p95_ms)]
    {
        checker.positive(&format!("{place}.{name}"), value, DAY_MS);
    }
    if cold.p95_ms < cold.median_ms {
        let text = format!("must be at least the median, {}, is {}", cold.median_ms, cold.p95_ms);
        checker.fault(format!("{place}.p95_ms"), text);
    }
    let at = format!("{place}.removed");
    let mut sum = 0.0;
    for (index, &(minutes, share)) in cold.removed.iter().enumerate() {
        checker.positive(&format!("{at}[{index}][0]"), minutes, YEAR_MINUTES);
        checker.within(&format!("{at}[{index}][1]"), share, 0.0..=1.0);
        sum += share;
    }
    if cold.removed.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        checker.fault(at.as_str(), "minutes must ascend".to_owned());
    }
    if cold.removed.is_empty() {
        let text = format!("must not be empty; [[{YEAR_MINUTES}, 1]] is never");
        checker.fault(at, text);
    } else if (sum - 1.0f64).abs() > SHARES_ERROR {
        checker.fault(at, format!("shares must add up to 1, are {sum}"));
    }
}
