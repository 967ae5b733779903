//! Prices: complete, and not absurd beside their neighbours.

use strata_domain::Rates;

use super::checker::Checker;
use crate::{
    format::{PlatformEntry, PriceEntry, RegionPriceEntry},
    resolve::rates,
};

/// A price this many times another one of its kind is a slip of the decimal point.
const ABSURD: f64 = 100.0;
/// Dollars per unit beyond which no price is believed.
const MOST_USD: f64 = 1000.0;
/// No node has less memory for functions, nor gives them a smaller share of it.
const LEAST_MEMORY_GB: f64 = 0.1;
const LEAST_UTILISATION: f64 = 1e-3;

/// A rate: its name in the format, the platform's, what a region says otherwise, and what holds.
type Rate = (
    &'static str,
    fn(&PriceEntry) -> Option<f64>,
    fn(&RegionPriceEntry) -> Option<f64>,
    fn(&Rates) -> f64,
);

const RATES: [Rate; 3] = [
    ("request_usd", |p| Some(p.request_usd), |r| r.request_usd, |r| r.request_usd),
    ("gb_second_usd", |p| p.gb_second_usd, |r| r.gb_second_usd, |r| r.gb_second_usd),
    ("vcpu_second_usd", |p| p.vcpu_second_usd, |r| r.vcpu_second_usd, |r| r.vcpu_second_usd),
];

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    for (key, platform) in &document.platforms {
        rules(checker, &format!("platforms.{key}"), platform);
    }
    for (name, _, of_region, charged) in RATES {
        let mut prices = Vec::new();
        // The nodes of an own cluster may cost anything.
        let listed = document.platforms.iter().filter(|(_, entry)| entry.price.node.is_none());
        for (key, platform) in listed {
            for (region, different) in &platform.regions {
                let different = different.clone().unwrap_or_default();
                let price = charged(&rates(&platform.price, &different, 0.0));
                let place = match of_region(&different) {
                    Some(_) => format!("platforms.{key}.regions.{region}.{name}"),
                    None => format!("platforms.{key}.price.{name}"),
                };
                prices.push((place, price));
            }
        }
        absurd(checker, prices);
    }
    let egress = document.regions.iter().map(|(key, region)| {
        let place = format!("regions.{key}.egress.internet_usd_per_gb");
        (place, region.egress.internet_usd_per_gb)
    });
    absurd(checker, egress.collect());
}

fn rules<'a>(checker: &mut Checker<'a>, place: &str, platform: &'a PlatformEntry) {
    let price = &platform.price;
    let at = format!("{place}.price");
    checker.source(&at, &price.source);
    if price.gb_second_usd.is_some() == price.node.is_some() {
        let text = "needs either gb_second_usd or node".to_owned();
        checker.fault(at.as_str(), text);
    }
    for (name, of_platform, _, _) in RATES {
        if let Some(value) = of_platform(price) {
            checker.within(&format!("{at}.{name}"), value, 0.0..=MOST_USD);
        }
    }
    if let Some(node) = price.node {
        let at = format!("{at}.node");
        if price.vcpu_second_usd.is_some() {
            checker.fault(at.as_str(), "leaves no place for vcpu_second_usd".to_owned());
        }
        checker.within(&format!("{at}.usd_per_hour"), node.usd_per_hour, 0.0..=1e5);
        checker.within(&format!("{at}.memory_gb"), node.memory_gb, LEAST_MEMORY_GB..=1e5);
        checker.within(&format!("{at}.utilisation"), node.utilisation, LEAST_UTILISATION..=1.0);
    }
    for (region, different) in &platform.regions {
        let Some(different) = different else { continue };
        let at = format!("{place}.regions.{region}");
        if let Some(source) = &different.source {
            checker.source(&at, source);
        }
        for (name, _, of_region, _) in RATES {
            if let Some(value) = of_region(different) {
                checker.within(&format!("{at}.{name}"), value, 0.0..=MOST_USD);
            }
        }
    }
}

/// Prices far from the median of their kind are faults, each once where it is written.
fn absurd(checker: &mut Checker<'_>, mut prices: Vec<(String, f64)>) {
    prices.retain(|(_, price)| *price > 0.0);
    let mut sorted: Vec<f64> = prices.iter().map(|(_, price)| *price).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(median) = sorted.get(sorted.len() / 2) else { return };
    prices.sort_by(|one, other| one.0.cmp(&other.0));
    prices.dedup_by(|one, other| one.0 == other.0);
    for (place, price) in prices {
        if price >= median * ABSURD || price <= median / ABSURD {
            let times = price / median;
            let text = format!("is {price}, {times:.3} times the median of the others, {median}");
            checker.fault(place, text);
        }
    }
}
