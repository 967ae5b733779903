//! The built-in catalogue `research` says what the research framework's tables said.
#![allow(clippy::unwrap_used)]

use strata_catalogue::{RESEARCH, built_in};
use strata_domain::{
    Catalogue, Origin, Placement, PlatformId, RegionId, UtcTime, cold_start, price, scaling,
};

const AWS: &str = "aws-lambda";
const AZURE: &str = "azure-functions-consumption";
const GCP: &str = "gcp-functions-gen1";

fn research() -> Catalogue {
    built_in(RESEARCH).catalogue
}

fn at(catalogue: &Catalogue, platform: &str, region: &str, memory_mb: u32) -> Placement {
    let platform = catalogue.find_platform(platform).unwrap();
    let region = catalogue.find_region(catalogue.provider_of(platform), region).unwrap();
    Placement { platform, region, memory_mb }
}

#[track_caller]
fn assert_close(actual: f64, expected: f64) {
    assert!((actual / expected - 1.0).abs() < 1e-9, "{actual} is not {expected}");
}

fn usd(catalogue: &Catalogue, placement: Placement, duration_ms: f64, used_mb: f64) -> f64 {
    let platform = catalogue.platform(placement.platform);
    let rates = catalogue.rates(placement.platform, placement.region).unwrap();
    let size = platform.size(placement.memory_mb);
    price::Billed::new(platform, &size, duration_ms, used_mb).price(rates).get()
}

#[test]
fn it_has_the_placements_of_the_framework() {
    let catalogue = research();
    assert_eq!((catalogue.platforms().len(), catalogue.regions().len()), (3, 12));
    // Azure sells nothing above 1536 MB, so it has four of the six sizes.
    assert_eq!(catalogue.candidates().len(), 2 * 4 * 6 + 4 * 4);
    for area in ["us-east", "us-west", "eu-west", "ap-southeast"] {
        let area = catalogue.area(catalogue.find_area(area).unwrap());
        assert_eq!(area.regions.len(), 3, "{}", area.name);
    }
}

#[test]
fn each_platform_bills_as_its_provider_does() {
    let catalogue = research();
    let usd = |p: &str, r: &str, mb, ms, used| usd(&catalogue, at(&catalogue, p, r, mb), ms, used);
    // 0.5 GB for 120 ms: 0.06 GB-s x 0.0000166667 + 0.0000002.
    assert_close(usd(AWS, "eu-west-1", 512, 120.0, 40.0), 0.06 * 1.66667e-5 + 2e-7);
    assert_close(usd(AWS, "eu-west-1", 512, 119.2, 40.0), 0.06 * 1.66667e-5 + 2e-7);
    // 160 MB used is billed as 256 MB (Microsoft's own example): 0.25 GB for 2 s.
    assert_close(usd(AZURE, "eastus", 1024, 2000.0, 160.0), 0.25 * 2.0 * 1.6e-5 + 2e-7);
    // 10 ms and 20 MB are billed as 100 ms and 128 MB.
    assert_close(usd(AZURE, "eastus", 1024, 10.0, 20.0), 0.125 * 0.1 * 1.6e-5 + 2e-7);
    // 130 ms are billed as 200 ms: 0.25 GB and 0.4 GHz.
    let gcp = 0.2 * (0.25 * 2.5e-6 + 0.4 * 1e-5) + 4e-7;
    assert_close(usd(GCP, "us-west1", 256, 130.0, 100.0), gcp);
    let singapore = 0.1 * (4.0 * 3.5e-6 + 4.8 * 1.4e-5) + 4e-7;
    assert_close(usd(GCP, "asia-southeast1", 3008, 1.0, 100.0), singapore);
}

#[test]
fn egress_is_free_at_home_and_dearer_across_clouds() {
    let catalogue = research();
    let id = |platform, region| at(&catalogue, platform, region, 128).region;
    let egress = |from, to| catalogue.egress_usd_per_gb(from, to);
    let (virginia, oregon) = (id(AWS, "us-east-1"), id(AWS, "us-west-2"));
    assert_eq!((egress(virginia, virginia), egress(virginia, oregon)), (0.0, 0.02));
    assert_eq!(egress(virginia, id(GCP, "us-east4")), 0.09);
    let singapore = id(AWS, "ap-southeast-1");
    assert_eq!((egress(singapore, virginia), egress(singapore, id(AZURE, "eastus"))), (0.09, 0.12));
    assert_eq!(egress(id(AZURE, "eastus"), id(AZURE, "northeurope")), 0.05);
    assert_eq!(egress(id(GCP, "us-east4"), id(GCP, "us-west1")), 0.01);
    assert_eq!(egress(id(GCP, "asia-southeast1"), virginia), 0.19);
    assert_eq!(catalogue.region(singapore).internet_usd_per_gb, 0.12);
}

#[test]
fn round_trips_are_those_that_were_measured() {
    let catalogue = research();
    let id = |platform, region| at(&catalogue, platform, region, 128).region;
    let trip = |from, to| catalogue.round_trip_ms(from, to);
    let (virginia, oregon) = (id(AWS, "us-east-1"), id(AWS, "us-west-2"));
    assert_eq!((trip(virginia, virginia), trip(virginia, oregon)), (1.0, 68.3));
    assert_eq!(trip(id(AZURE, "northeurope"), id(GCP, "europe-west1")), 16.2);
    assert_eq!(trip(id(GCP, "asia-southeast1"), id(AZURE, "eastus")), 221.1);
    let ids: Vec<RegionId> = catalogue.regions().map(|(id, _)| id).collect();
    for from in &ids {
        for to in &ids {
            assert_eq!(trip(*from, *to), trip(*to, *from));
            assert!(from == to || trip(*from, *to) > trip(*from, *from));
        }
    }
    let callers = Origin::Area(catalogue.find_area("us-east").unwrap());
    let expected = (1.0 + 1.7 + 2.6) / 3.0;
    assert_close(catalogue.caller_round_trip_ms(callers, virginia), expected);
}

#[test]
fn runs_scale_as_the_benchmarks_did() {
    let catalogue = research();
    let factor = |platform: &str, from: u32, to: u32, cpu_share: f64| {
        let platform = catalogue.platform(catalogue.find_platform(platform).unwrap());
        let speed = |memory_mb| platform.speed(&platform.size(memory_mb));
        speed(to).run_time_factor(speed(from), cpu_share)
    };
    assert_close(factor(AWS, 1024, 256, 1.0), 7.03 / 1.63);
    assert_close(factor(GCP, 1024, 256, 1.0), 6.67 / 1.29);
    assert_eq!(factor(AZURE, 1024, 256, 1.0), 1.0);
    assert_eq!(factor(GCP, 128, 3008, 0.0), 1.0);
    // thumbnailer-python on AWS: 1017 ms at 128 MB, 153 ms at 2048 MB; uploader-python on GCP:
    // 4597 and 1143 ms.
    assert!((factor(AWS, 2048, 128, 0.39) / (1017.0 / 153.0) - 1.0).abs() < 0.2);
    assert!((factor(GCP, 2048, 128, 0.5) / (4597.0 / 1143.0) - 1.0).abs() < 0.2);
}

#[test]
fn processors_go_with_memory_and_on_azure_with_what_is_billed() {
    let catalogue = research();
    let vcpus = |name: &str, memory_mb, used_mb| {
        let platform = catalogue.platform(catalogue.find_platform(name).unwrap());
        scaling::allotted_vcpus(platform, &platform.size(memory_mb), used_mb)
    };
    assert_close(vcpus(AWS, 2048, 100.0), 2048.0 / 1769.0);
    assert_close(vcpus(AZURE, 1024, 300.0), 384.0 / 1536.0);
    assert_close(vcpus(GCP, 1024, 100.0), 1.4 / 2.4);
}

#[test]
fn instances_are_kept_and_started_as_was_measured() {
    let catalogue = research();
    let law = |name: &str| &catalogue.platform(catalogue.find_platform(name).unwrap()).cold_starts;
    let kept = [AWS, AZURE, GCP].map(|name| law(name).keep_alive_minutes());
    assert_eq!(kept, [7.0, 22.0, 16.0]);
    // Measured at 13, 22 and 26 minutes: 0.2047, 0.5, 0.8191.
    for (minutes, measured) in [(13.0, 0.2047), (22.0, 0.5), (26.0, 0.8191)] {
        assert!((law(AZURE).probability_after_idle(minutes) - measured).abs() < 0.01, "{minutes}");
    }
    assert_eq!((law(AWS).start.mean_ms, law(GCP).start.p95_ms), (265.0, 1361.0));
    let aws = catalogue.platform(catalogue.find_platform(AWS).unwrap());
    let load = |memory_mb| cold_start::load_ms(aws.speed(&aws.size(memory_mb)));
    assert!((load(2048) - 103.0).abs() < 1e-9 && load(128) > 1400.0);
}

#[test]
fn grids_have_their_mean_and_the_shape_of_their_day() {
    let catalogue = research();
    let at_hour = |platform: &str, region: &str, hour: i64| {
        let region = catalogue.region(at(&catalogue, platform, region, 128).region);
        region.grid.at(UtcTime::from_unix_seconds(hour * 3600))
    };
    assert_close(at_hour(AWS, "us-west-2", 9), 248.2 * 1.180);
    assert!(at_hour(AWS, "us-west-2", 9) > at_hour(AWS, "us-west-2", 21));
    for (_, region) in catalogue.regions() {
        let sum: f64 = region.grid.by_hour.iter().sum();
        assert!((sum / 24.0 - 1.0).abs() < 2e-4, "{}", region.name);
    }
}

#[test]
fn ids_are_of_this_catalogue() {
    let catalogue = research();
    let ids: Vec<PlatformId> = catalogue.platforms().map(|(id, _)| id).collect();
    assert!(
        ids.iter().all(|id| catalogue.find_platform(&catalogue.platform(*id).name) == Some(*id))
    );
}
