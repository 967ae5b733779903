//! What a catalogue says of its parts, and which parts it refuses.

use super::{
    test_catalogue::{CLOUD, METERED, test_catalogue, test_parts},
    *,
};

#[test]
fn candidates_are_all_that_is_sold_and_know_their_ids() {
    let catalogue = test_catalogue();
    assert_eq!(catalogue.candidates().len(), 5 * 2 + 2);
    for id in catalogue.candidate_ids() {
        let placement = catalogue.candidate(id);
        assert_eq!(catalogue.find_candidate(placement), Some(id));
        assert!(catalogue.candidates_of(placement.platform).contains(&id.index()));
    }
    let first = catalogue.candidates()[0];
    assert_eq!(catalogue.find_candidate(Placement { memory_mb: 1536, ..first }), None);
    assert_eq!(catalogue.describe(first), "cloud/east/128");
}

#[test]
fn names_lead_to_ids() {
    let catalogue = test_catalogue();
    let beta = catalogue.find_provider("beta").unwrap_or_else(|| panic!("beta"));
    let east = catalogue.find_region(beta, "east").map(RegionId::index);
    assert_eq!(east, Some(2));
    assert_eq!(catalogue.find_region_anywhere("east").map(RegionId::index), Some(0));
    assert_eq!(catalogue.find_region(beta, "west"), None);
    assert_eq!(catalogue.find_platform(METERED).map(PlatformId::index), Some(1));
    assert_eq!(catalogue.find_area("north"), None);
}

#[test]
fn callers_of_an_area_are_as_far_as_its_regions_on_average() {
    let catalogue = test_catalogue();
    let east = catalogue.find_area("east").unwrap_or_else(|| panic!("east"));
    let to = |region| catalogue.caller_round_trip_ms(Origin::Area(east), RegionId::new(region));
    assert_eq!((to(0), to(1), to(2)), (2.0, 76.0, 2.0));
    let beta = catalogue.find_provider("beta").unwrap_or_else(|| panic!("beta"));
    let nearest = catalogue.nearest_region(beta, Origin::Area(east)).map(RegionId::index);
    assert_eq!(nearest, Some(2));
    let here = Origin::Point(Coordinates { latitude: 39.0, longitude: -77.5 });
    assert_eq!(catalogue.caller_round_trip_ms(here, RegionId::new(0)), 6.0);
    assert!(catalogue.caller_round_trip_ms(here, RegionId::new(1)) > 80.0);
}

#[test]
fn sizes_between_those_on_sale_are_interpolated() {
    let catalogue = test_catalogue();
    let id = catalogue.find_platform(CLOUD).unwrap_or_else(|| panic!("{CLOUD}"));
    let platform = catalogue.platform(id);
    let between = platform.size(1536);
    assert!((between.vcpus - 1536.0 / 1769.0).abs() < 1e-9 && between.billed_mb == 1536.0);
    assert!(between.slowdown < 1.6 && between.slowdown > 1.0);
    assert_eq!(platform.size(512), platform.sizes[2]);
    let beyond = platform.size(4096);
    assert_eq!((beyond.billed_mb, beyond.slowdown), (4096.0, 1.0));
    assert_eq!(platform.size(0).slowdown, 14.0);
    assert_eq!(platform.smallest_holding(600.0).memory_mb, 1024);
    assert_eq!(platform.smallest_holding(1e6).memory_mb, 2048);
}

/// The place that is refused after `spoil` was applied to sound parts.
fn refused(spoil: impl FnOnce(&mut CatalogueParts)) -> String {
    let mut parts = test_parts();
    spoil(&mut parts);
    Catalogue::new(parts).map_or_else(|error| error.place, |_| "nothing".to_owned())
}

#[test]
fn parts_that_break_a_rule_are_refused_with_their_place() {
    assert_eq!(refused(|_| ()), "nothing");
    assert_eq!(refused(|parts| parts.platforms.clear()), "platforms");
    assert_eq!(refused(|parts| parts.platforms[1].name = CLOUD.to_owned()), "platforms");
    let same = |parts: &mut CatalogueParts| parts.regions[1].name = "east".to_owned();
    assert_eq!(refused(same), "regions");
    let unsorted = |parts: &mut CatalogueParts| parts.platforms[0].sizes.reverse();
    assert_eq!(refused(unsorted), "platforms[cloud].memory_mb");
    assert_eq!(refused(|parts| parts.areas[1].regions = vec![0]), "areas[west]");
    assert_eq!(refused(|parts| parts.areas[1].regions = vec![7]), "areas[west]");
    assert_eq!(refused(|parts| parts.offers[2].region = 1), "platforms[metered].regions[west]");
    assert_eq!(refused(|parts| parts.offers[2].platform = 9), "offers");
    assert_eq!(refused(|parts| parts.offers.truncate(2)), "platforms[metered]");
    let twice = |parts: &mut CatalogueParts| parts.offers.push(parts.offers[0]);
    assert_eq!(refused(twice), "platforms[cloud].regions[east]");
    assert_eq!(refused(|parts| parts.round_trips_ms.truncate(8)), "round_trips_ms");
    assert_eq!(refused(|parts| parts.egress_usd_per_gb[3] = f64::NAN), "egress_usd_per_gb");
    let many = |parts: &mut CatalogueParts| {
        let size = parts.platforms[0].sizes[0];
        parts.platforms[0].sizes = (1..2100).map(|mb| Size { memory_mb: mb, ..size }).collect();
    };
    assert_eq!(refused(many), "candidates");
}
