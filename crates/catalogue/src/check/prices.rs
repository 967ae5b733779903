//! Prices: complete, and not absurd beside their neighbours.

use super::checker::Checker;
use crate::{format::PlatformEntry, resolve::rates};

/// A price this many times another one of its kind is a slip of the decimal point.
const ABSURD: f64 = 100.0;
/// Dollars per unit beyond which no price is believed.
const MOST_USD: f64 = 1000.0;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    let mut charged = Vec::new();
    for (key, platform) in &document.platforms {
        let place = format!("platforms.{key}");
        rules(checker, &place, platform);
        for (region, different) in &platform.regions {
            let different = different.clone().unwrap_or_default();
            let rates = rates(&platform.price, &different, 0.0);
            let place = format!("{place}.regions.{region}");
            charged.push((place, platform.price.node.is_some(), rates));
        }
    }
    for (name, value) in [
        ("gb_second_usd", (|r| r.gb_second_usd) as fn(&strata_domain::Rates) -> f64),
        ("vcpu_second_usd", |r| r.vcpu_second_usd),
        ("request_usd", |r| r.request_usd),
    ] {
        // The nodes of an own cluster may cost anything.
        let listed = charged.iter().filter(|(_, node, _)| !node);
        let prices: Vec<(&str, f64)> = listed
            .map(|(place, _, rates)| (place.as_str(), value(rates)))
            .filter(|(_, price)| *price > 0.0)
            .collect();
        absurd(checker, name, &prices);
    }
    let egress: Vec<(String, f64)> = document
        .regions
        .iter()
        .map(|(key, region)| (format!("regions.{key}.egress"), region.egress.internet_usd_per_gb))
        .filter(|(_, price)| *price > 0.0)
        .collect();
    let egress: Vec<(&str, f64)> = egress.iter().map(|(p, price)| (p.as_str(), *price)).collect();
    absurd(checker, "internet_usd_per_gb", &egress);
}

fn rules<'a>(checker: &mut Checker<'a>, place: &str, platform: &'a PlatformEntry) {
    let price = &platform.price;
    let at = format!("{place}.price");
    checker.source(&at, &price.source);
    if price.gb_second_usd.is_some() == price.node.is_some() {
        let text = "needs either gb_second_usd or node".to_owned();
        checker.fault(at.as_str(), text);
    }
    for (name, value) in [
        ("request_usd", Some(price.request_usd)),
        ("gb_second_usd", price.gb_second_usd),
        ("vcpu_second_usd", price.vcpu_second_usd),
    ] {
        if let Some(value) = value {
            checker.within(&format!("{at}.{name}"), value, 0.0..=MOST_USD);
        }
    }
    if let Some(node) = price.node {
        checker.within(&format!("{at}.node.usd_per_hour"), node.usd_per_hour, 0.0..=1e5);
        checker.positive(&format!("{at}.node.memory_gb"), node.memory_gb, 1e5);
        checker.positive(&format!("{at}.node.utilisation"), node.utilisation, 1.0);
    }
    for (region, different) in &platform.regions {
        let Some(different) = different else { continue };
        let at = format!("{place}.regions.{region}");
        if let Some(source) = &different.source {
            checker.source(&at, source);
        }
        for (name, value) in [
            ("request_usd", different.request_usd),
            ("gb_second_usd", different.gb_second_usd),
            ("vcpu_second_usd", different.vcpu_second_usd),
        ] {
            if let Some(value) = value {
                checker.within(&format!("{at}.{name}"), value, 0.0..=MOST_USD);
            }
        }
    }
}

/// Prices far from the median of their kind are faults.
fn absurd(checker: &mut Checker<'_>, name: &str, prices: &[(&str, f64)]) {
    let mut sorted: Vec<f64> = prices.iter().map(|(_, price)| *price).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(median) = sorted.get(sorted.len() / 2) else { return };
    for (place, price) in prices {
        if *price >= median * ABSURD || *price <= median / ABSURD {
            let times = price / median;
            let text = format!("is {price}, {times:.3} times the median of the others, {median}");
            checker.fault(format!("{place}.{name}"), text);
        }
    }
}
