//! Bad catalogues, each wrong in one way: each is refused, with the fault and its place.
//!
//! `unreadable.rs` has those whose files or overlays are wrong.
#![allow(clippy::unwrap_used)]

mod platforms;
mod regions;

use std::path::Path;

use strata_catalogue::{Fault, load_text};

/// An edit of `research`, the place of the fault and a piece of its text.
type Case = (&'static str, &'static str, &'static str);

fn faults(edit: &str) -> Vec<Fault> {
    let text = format!("extends: research\nformat: 1\n{edit}");
    match load_text("bad", &text, Path::new("")) {
        Ok(_) => panic!("accepted: {edit}"),
        Err(refused) => refused.faults,
    }
}

/// Each case has exactly one fault, the expected one.
#[track_caller]
fn assert_refused(cases: &[Case]) {
    let mut wrong = Vec::new();
    for (edit, place, piece) in cases {
        let faults = faults(edit);
        let expected = |fault: &Fault| fault.place == *place && fault.text.contains(piece);
        if faults.len() != 1 || !expected(&faults[0]) {
            wrong.push(format!("{edit}\n  expected {place}: {piece}\n  got {faults:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn names_and_sources() {
    assert_refused(&[
        ("name: ''", "name", "`` must be 1 to 64"),
        ("name: two words", "name", "letters, digits"),
        ("name: -x", "name", "the first a letter or digit"),
        (
            "name: a123456789b123456789c123456789d123456789e123456789f123456789g123x",
            "name",
            "1 to 64",
        ),
        ("reference_platform: aws-lamda", "reference_platform", "did you mean `aws-lambda`?"),
        ("default_area: nowhere", "default_area", "no area `nowhere`"),
        ("sources: {ccf-2023: {date: 2023-13-01}}", "sources.ccf-2023.date", "such as 2026-11-25"),
        ("sources: {ccf-2023: {date: 2023-02-29}}", "sources.ccf-2023.date", "is `2023-02-29`"),
        ("sources: {ccf-2023: {date: May 2023}}", "sources.ccf-2023.date", "`May 2023`"),
        ("sources: {ccf-2023: {text: ' '}}", "sources.ccf-2023.text", "must not be empty"),
        (
            "platforms: {aws-lambda: {billing: {source: billing-avs}}}",
            "platforms.aws-lambda.billing.source",
            "did you mean `billing-aws`?",
        ),
        (
            "platforms: {aws-lambda: {price: {source: x}}}",
            "platforms.aws-lambda.price.source",
            "there is no source `x`",
        ),
        (
            "platforms: {gcp-functions-gen1: {regions: {us-west1: {source: x}}}}",
            "platforms.gcp-functions-gen1.regions.us-west1.source",
            "no source `x`",
        ),
        (
            "platforms: {aws-lambda: {processors: {source: x}}}",
            "platforms.aws-lambda.processors.source",
            "no source `x`",
        ),
        (
            "platforms: {aws-lambda: {slowdown: {source: x}}}",
            "platforms.aws-lambda.slowdown.source",
            "no source `x`",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {source: x}}}",
            "platforms.aws-lambda.cold_start.source",
            "no source `x`",
        ),
        (
            "platforms: {aws-lambda: {machines: {source: x}}}",
            "platforms.aws-lambda.machines.source",
            "no source `x`",
        ),
        (
            "regions: {gcp/us-west1: {pue: {source: x}}}",
            "regions.gcp/us-west1.pue.source",
            "no source `x`",
        ),
        (
            "regions: {gcp/us-west1: {egress: {source: x}}}",
            "regions.gcp/us-west1.egress.source",
            "no source `x`",
        ),
        ("grids: {IE: {source: x}}", "grids.IE.source", "no source `x`"),
        ("round_trips: {source: x}", "round_trips.source", "no source `x`"),
    ]);
}

#[test]
fn providers_and_prices() {
    assert_refused(&[
        ("providers: {aws: {discount: 1.0}}", "providers.aws.discount", "0 to below 1, is 1"),
        ("providers: {aws: {discount: -0.1}}", "providers.aws.discount", "is -0.1"),
        ("providers: {aws: {discount: .nan}}", "providers.aws.discount", "is NaN"),
        ("providers: {awss: {discount: 0.1}}", "providers.awss", "did you mean `aws`?"),
        (
            "platforms: {aws-lambda: {price: {request_usd: -1.0e-7}}}",
            "platforms.aws-lambda.price.request_usd",
            "must be 0 to 1000",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: 0.00333}}}",
            "platforms.aws-lambda.price.gb_second_usd",
            "times the median of the others",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: 1.0e-9}}}",
            "platforms.aws-lambda.price.gb_second_usd",
            "times the median",
        ),
        (
            "platforms: {aws-lambda: {price: {request_usd: 5.0e-5}}}",
            "platforms.aws-lambda.price.request_usd",
            "times the median",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: .nan}}}",
            "platforms.aws-lambda.price.gb_second_usd",
            "is NaN",
        ),
        (
            "platforms: {gcp-functions-gen1: {price: {vcpu_second_usd: -2.4e-5}}}",
            "platforms.gcp-functions-gen1.price.vcpu_second_usd",
            "must be 0 to 1000",
        ),
        (
            "platforms: {aws-lambda: {regions: {eu-west-1: {gb_second_usd: -1}}}}",
            "platforms.aws-lambda.regions.eu-west-1.gb_second_usd",
            "must be 0 to 1000, is -1",
        ),
        (
            "platforms: {aws-lambda: {regions: {eu-west-1: {gb_second_usd: 0.01}}}}",
            "platforms.aws-lambda.regions.eu-west-1.gb_second_usd",
            "times the median",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: null}}}",
            "platforms.aws-lambda.price",
            "either gb_second_usd or node",
        ),
        (
            "platforms: {aws-lambda: {price: {node: \
             {usd_per_hour: 1.0, memory_gb: 60.0, utilisation: 0.5}}}}",
            "platforms.aws-lambda.price",
            "either gb_second_usd or node",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: null, node: \
             {usd_per_hour: -1.0, memory_gb: 60.0, utilisation: 0.5}}}}",
            "platforms.aws-lambda.price.node.usd_per_hour",
            "must be 0 to 100000",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: null, node: \
             {usd_per_hour: 1.0, memory_gb: 0.0, utilisation: 0.5}}}}",
            "platforms.aws-lambda.price.node.memory_gb",
            "is 0",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: null, node: \
             {usd_per_hour: 1.0, memory_gb: 60.0, utilisation: 55}}}}",
            "platforms.aws-lambda.price.node.utilisation",
            "to 1, is 55",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: null, vcpu_second_usd: 1.0e-5, node: \
             {usd_per_hour: 1.0, memory_gb: 60.0, utilisation: 0.5}}}}",
            "platforms.aws-lambda.price.node",
            "no place for vcpu_second_usd",
        ),
        (
            "regions: {gcp/us-west1: {egress: {internet_usd_per_gb: 12.0}}}",
            "regions.gcp/us-west1.egress.internet_usd_per_gb",
            "times the median",
        ),
    ]);
}

#[test]
fn several_faults_are_all_named() {
    let edit = "platforms: {aws-lambda: {slowdown: {wait: 0}}}\n\
                regions: {gcp/us-west1: {latitude: 91}}\nareas: {x: {regions: [aws/us-east-1]}}";
    let places: Vec<String> = faults(edit).into_iter().map(|fault| fault.place).collect();
    let slow = "platforms.aws-lambda.slowdown.wait";
    assert_eq!(places, [slow, "regions.gcp/us-west1.latitude", "areas.x.regions[0]"]);
}
