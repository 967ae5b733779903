#![allow(clippy::unwrap_used)]
use super::*;

fn research() -> Catalogue {
    strata_catalogue::built_in("research").catalogue
}

#[test]
fn every_placement_survives_the_wire() {
    let catalogue = research();
    for placement in catalogue.candidates() {
        let mut violations = Violations::new();
        let message = placement_to_pb(&catalogue, *placement);
        let read = placement_from_pb(&catalogue, &message, "current", &mut violations);
        assert_eq!(read, Some(*placement));
        assert!(violations.is_empty());
    }
}

#[test]
fn every_bad_part_is_named_with_the_name_that_was_meant() {
    let catalogue = research();
    let read = |platform: &str, region: &str| {
        let message = pb::Placement {
            platform: platform.to_owned(),
            region: region.to_owned(),
            ..pb::Placement::default()
        };
        let mut violations = Violations::new();
        assert_eq!(placement_from_pb(&catalogue, &message, "current", &mut violations), None);
        let violations = violations.into_fault().violations.into_iter();
        violations.map(|v| (v.field, v.description)).collect::<Vec<_>>()
    };
    let [(platform, text), (memory, _)] = read("aws-lamda", "us-east-1").try_into().unwrap();
    assert_eq!((platform.as_str(), memory.as_str()), ("current.platform", "current.memory_mb"));
    assert!(text.ends_with("did you mean `aws-lambda`?"), "{text}");
    let [_, (region, text)] = read("gcp-functions-gen1", "europe-west2").try_into().unwrap();
    assert_eq!(region, "current.region");
    assert!(text.contains("no region of gcp `europe-west2`"), "{text}");
    assert!(text.contains("`europe-west1`"), "{text}");
}

/// Where a function that runs on `platform` in `region` is, and what of it is outside.
fn running(platform: &str, region: &str) -> (Option<Running>, Vec<String>) {
    let message = pb::Placement {
        platform: platform.to_owned(),
        region: region.to_owned(),
        memory_mb: 1536,
        provider: String::new(),
    };
    let fields = LocationFields { current: "current", home: "home", data_provider: "data" };
    let places = Places { current: Some(&message), home: None, data_provider: "", fields };
    let (mut violations, mut outside) = (Violations::new(), Vec::new());
    let location = location_from_pb(&research(), places, &mut violations, &mut outside);
    assert!(violations.is_empty());
    (location.current, outside)
}

#[test]
fn a_function_may_run_where_the_catalogue_does_not_reach() {
    let (known, outside) = running("aws-lambda", "us-west-2");
    assert!(known.is_some_and(|known| known.region.is_some() && known.memory_mb == 1536));
    assert!(outside.is_empty());
    let (known, outside) = running("aws-lambda", "eu-central-1");
    assert!(known.is_some_and(|known| known.region.is_none()));
    assert_eq!(outside, ["current.region"]);
    assert_eq!(running("fly", "fra"), (None, vec!["current.platform".to_owned()]));
}

#[test]
fn callers_are_in_an_area_a_region_or_at_a_point() {
    let catalogue = research();
    let read = |place| {
        let mut violations = Violations::new();
        let origin = origin_from_pb(&catalogue, &place, "home", &mut violations);
        (origin, violations.into_fault().violations.len())
    };
    use pb::home::Place;
    let area = catalogue.find_area("eu-west").map(Origin::Area);
    assert_eq!(read(Place::Area("eu-west".to_owned())), (area, 0));
    let aws = catalogue.find_provider("aws").unwrap();
    let region = catalogue.find_region(aws, "us-west-2").map(Origin::Region);
    assert_eq!(read(Place::Region("us-west-2".to_owned())), (region, 0));
    assert_eq!(read(Place::Region("aws/us-west-2".to_owned())), (region, 0));
    assert_eq!(read(Place::Region("gcp/us-west-2".to_owned())), (None, 1));
    let point = pb::Coordinates { latitude: 47.4, longitude: 8.5 };
    assert!(matches!(read(Place::Point(point)), (Some(Origin::Point(_)), 0)));
    let nowhere = pb::Coordinates { latitude: f64::NAN, longitude: 181.0 };
    assert_eq!(read(Place::Point(nowhere)).1, 2);
}
