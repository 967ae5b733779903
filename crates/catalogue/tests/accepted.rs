//! Catalogues that are loaded, and what is odd about them.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_yaml::Value;
use strata_catalogue::{BUILT_IN, Loaded, load, load_text};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/examples/own-cluster.yaml")
}

fn overlay(text: &str) -> Loaded {
    let text = format!("extends: research\nformat: 1\n{text}");
    load_text("overlay", &text, Path::new("")).unwrap()
}

#[test]
fn nothing_is_odd_about_the_built_in_catalogues_and_the_example() {
    let example = example();
    for name in BUILT_IN.into_iter().chain([example.to_str().unwrap()]) {
        assert_eq!(load(name).unwrap().warnings, [], "{name}");
    }
}

#[test]
fn what_is_not_kept_goes_with_everything_that_names_it() {
    let Loaded { document, warnings, .. } = overlay("only: {providers: [aws]}");
    assert_eq!(warnings, []);
    assert_eq!(document.platforms.keys().collect::<Vec<_>>(), ["aws-lambda"]);
    assert!(document.regions.keys().all(|region| region.starts_with("aws/")));
    assert!(document.areas.values().all(|area| area.regions.len() == 1));
    assert_eq!(document.round_trips.measured_ms.len(), 3);
    assert!(!document.sources.contains_key("price-gcp"));
    assert!(document.sources.contains_key("price-aws"));
}

#[test]
fn regions_of_platforms_that_are_not_kept_stay_when_they_are_named() {
    let lambda = overlay("only: {platforms: [aws-lambda]}");
    assert_eq!((lambda.document.regions.len(), lambda.warnings.len()), (4, 0));
    let regions = "only: {platforms: [aws-lambda], regions: [aws/us-east-1, gcp/us-east4]}";
    let Loaded { document, warnings, .. } = overlay(regions);
    assert_eq!(document.regions.len(), 2);
    assert_eq!(warnings[0].to_string(), "regions.gcp/us-east4: no platform is sold there");
}

#[test]
fn a_source_of_what_is_extended_stays_while_the_overlay_names_it() {
    let text = "only: {providers: [aws]}\nplatforms: {aws-lambda: {price: {source: price-gcp}}}\n\
                sources: {mine: {text: A contract., date: 2026-11-25}}";
    let Loaded { document, warnings, .. } = overlay(text);
    assert!(document.sources.contains_key("price-gcp"));
    assert!(!document.sources.contains_key("price-aws"));
    let odd: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(odd, ["sources.mine: no figure names it"]);
}

#[test]
fn sources_are_stale_after_years() {
    let research = load("research").unwrap();
    // 2026-11-25.
    let stale = research.stale_sources(20_782, 3);
    let text = stale.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(text.contains("sources.sebs-2020: is of 2020-12-31, more than 3 years ago"), "{text}");
    assert!(!text.contains("processors-aws"), "{text}");
    assert_eq!(research.stale_sources(20_782, 100), []);
}

#[test]
fn the_revision_is_that_of_the_content() {
    let revision = |text: &str| overlay(text).catalogue.revision().to_owned();
    let same = revision("");
    assert_eq!(same, load("research").unwrap().catalogue.revision());
    assert_eq!(revision("providers: {aws: {discount: 0.17}}").len(), 12);
    assert_ne!(revision("providers: {aws: {discount: 0.17}}"), same);
}

#[test]
fn a_discount_lowers_every_price_of_its_provider_alone() {
    let rates = |loaded: &Loaded, platform: &str, region: &str| {
        let catalogue = &loaded.catalogue;
        let platform = catalogue.find_platform(platform).unwrap();
        let region = catalogue.find_region(catalogue.provider_of(platform), region).unwrap();
        *catalogue.rates(platform, region).unwrap()
    };
    let (list, ours) = (load("research").unwrap(), overlay("providers: {aws: {discount: 0.17}}"));
    let prices: [fn(strata_domain::Rates) -> f64; 2] = [|r| r.request_usd, |r| r.gb_second_usd];
    for of in prices {
        let [before, after] = [&list, &ours].map(|l| of(rates(l, "aws-lambda", "eu-west-1")));
        assert!((after / before - 0.83).abs() < 1e-12);
    }
    let [before, after] = [&list, &ours].map(|l| rates(l, "gcp-functions-gen1", "us-east4"));
    assert_eq!(before, after);
}

/// Every number of a document, in order.
fn numbers(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Number(_) => vec![value],
        Value::Sequence(items) => items.iter_mut().flat_map(numbers).collect(),
        Value::Mapping(entries) => entries.iter_mut().flat_map(|(_, v)| numbers(v)).collect(),
        _ => Vec::new(),
    }
}

fn any_number() -> impl Strategy<Value = serde_yaml::Number> {
    prop_oneof![
        any::<f64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-10.0..10.0).prop_map(Into::into),
        (0_u32..70_000).prop_map(Into::into),
        prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, f64::MAX])
            .prop_map(Into::into),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A catalogue is refused or usable, whatever its numbers: nothing panics, and nothing that is
    /// not finite gets into a price or a size.
    #[test]
    fn numbers_are_refused_or_usable(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_number()), 1..3),
    ) {
        let mut document = serde_yaml::to_value(load("world").unwrap().document).unwrap();
        let mut numbers = numbers(&mut document);
        for (index, number) in changes {
            let index = index.index(numbers.len());
            *numbers[index] = Value::Number(number);
        }
        let text = serde_yaml::to_string(&document).unwrap();
        if let Ok(Loaded { catalogue, .. }) = load_text("changed", &text, Path::new("")) {
            for placement in catalogue.candidates() {
                let size = catalogue.platform(placement.platform).size(placement.memory_mb);
                let rates = catalogue.rates(placement.platform, placement.region).unwrap();
                let figures = [size.vcpus, size.slowdown, size.billed_mb, rates.gb_second_usd];
                prop_assert!(figures.iter().all(|figure| figure.is_finite()));
            }
        }
    }
}
