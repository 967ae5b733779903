//! What makes a catalogue wrong, and what makes it odd.

mod checker;
mod platforms;
mod prices;
mod regions;

use std::collections::BTreeSet;

use self::checker::Checker;
use crate::{dates, fault::Fault, format::Document};

const DAYS_PER_YEAR: i64 = 365;
const MOST_NAME_BYTES: usize = 64;
/// The number of a provider has 8 bits.
const MOST_PROVIDERS: usize = 256;

/// Adds everything that is wrong with a document to `faults`, and everything odd to `warnings`.
pub(crate) fn check(document: &Document, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) {
    let mut checker = Checker::new(document, faults, warnings);
    name(&mut checker, "name", &document.name);
    sources(&mut checker);
    providers(&mut checker);
    platforms::check(&mut checker);
    regions::check(&mut checker);
    prices::check(&mut checker);
    let platforms = document.platforms.keys().map(String::as_str);
    checker.reference("reference_platform", ("platform", &document.reference_platform), platforms);
    let areas = document.areas.keys().map(String::as_str);
    checker.reference("default_area", ("area", &document.default_area), areas);
    checker.warn_of_unused_sources();
}

/// Sources older than `years` at `today`.
pub(crate) fn stale(document: &Document, today: i64, years: i64) -> Vec<Fault> {
    let age = |date: &str| dates::days(date).map_or(0, |day| today - day);
    let old = document.sources.iter().filter(|(_, s)| age(&s.date) > years * DAYS_PER_YEAR);
    let stale = old.map(|(name, source)| Fault {
        place: format!("sources.{name}"),
        text: format!("is of {}, more than {years} years ago: look the figures up", source.date),
    });
    stale.collect()
}

fn providers(checker: &mut Checker<'_>) {
    let document = checker.document;
    let selling = || document.platforms.values().map(|platform| platform.provider.as_str());
    for (name, provider) in &document.providers {
        let place = format!("providers.{name}");
        checker.reference(place.as_str(), ("platform of a provider", name), selling());
        if !(0.0..1.0).contains(&provider.discount) {
            let text = format!("must be 0 to below 1, is {}", provider.discount);
            checker.fault(format!("{place}.discount"), text);
        }
    }
    let of_regions = document.regions.keys().filter_map(|key| key.split('/').next());
    let count = of_regions.chain(selling()).collect::<BTreeSet<_>>().len();
    if count > MOST_PROVIDERS {
        let text = format!("are of {count} providers; at most {MOST_PROVIDERS} are allowed");
        checker.fault("regions", text);
    }
}

fn sources(checker: &mut Checker<'_>) {
    for (name, source) in &checker.document.sources {
        if dates::days(&source.date).is_none() {
            let text = format!("must be a day such as 2026-11-25, is `{}`", source.date);
            checker.fault(format!("sources.{name}.date"), text);
        }
        if source.text.trim().is_empty() {
            checker.fault(format!("sources.{name}.text"), "must not be empty".to_owned());
        }
    }
}

/// Checks a name that metrics, labels and file names will hold.
fn name(checker: &mut Checker<'_>, place: &str, name: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if name.len() > MOST_NAME_BYTES || !first || !name.bytes().all(plain) {
        let rule = format!("1 to {MOST_NAME_BYTES} letters, digits, `.`, `_` and `-`");
        checker.fault(place, format!("`{name}` must be {rule}, the first a letter or digit"));
    }
}
