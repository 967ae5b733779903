//! Regions, areas, grids and round trips.

use crate::assert_refused;

#[test]
fn regions_and_areas() {
    assert_refused(&[
        (
            "regions: {gcp/us-west1: {latitude: 91}}",
            "regions.gcp/us-west1.latitude",
            "must be -90 to 90, is 91",
        ),
        (
            "regions: {gcp/us-west1: {longitude: -200}}",
            "regions.gcp/us-west1.longitude",
            "must be -180 to 180",
        ),
        ("regions: {gcp/us-west1: {grid: IEE}}", "regions.gcp/us-west1.grid", "no grid `IEE`"),
        (
            "regions: {gcp/us-west1: {pue: {value: 0.9}}}",
            "regions.gcp/us-west1.pue.value",
            "must be 1 to 5, is 0.9",
        ),
        (
            "regions: {gcp/us-west1: {residency: ['the States']}}",
            "regions.gcp/us-west1.residency",
            "`the States` must be",
        ),
        (
            "regions: {gcp/us-west1: {egress: {internet_usd_per_gb: -1}}}",
            "regions.gcp/us-west1.egress.internet_usd_per_gb",
            "is -1",
        ),
        (
            "regions: {gcp/us-west1: {egress: {same_provider_usd_per_gb: 101}}}",
            "regions.gcp/us-west1.egress.same_provider_usd_per_gb",
            "must be 0 to 100",
        ),
        (
            "regions: {gcp/us-west1: {egress: {to: {gcp/us-east5: 0.01}}}}",
            "regions.gcp/us-west1.egress.to.gcp/us-east5",
            "did you mean `gcp/us-east4`?",
        ),
        (
            "regions: {gcp/us-west1: {egress: {to: {gcp/us-east4: -0.01}}}}",
            "regions.gcp/us-west1.egress.to.gcp/us-east4",
            "is -0.01",
        ),
        ("areas: {us-east: {regions: []}}", "areas.us-east", "at least one region"),
        (
            "areas: {us-east: {regions: [aws/us-east-9]}}",
            "areas.us-east.regions[0]",
            "did you mean `aws/us-east-1`?",
        ),
        (
            "areas: {x: {regions: [aws/us-east-1]}}",
            "areas.x.regions[0]",
            "already in the area `us-east`",
        ),
        (
            "areas: {us-east: {regions: [aws/us-east-1, aws/us-east-1]}}",
            "areas.us-east.regions[1]",
            "already in the area `us-east`",
        ),
    ]);
}

#[test]
fn grids_and_round_trips() {
    assert_refused(&[
        ("grids: {IE: {mean_g_per_kwh: -1}}", "grids.IE.mean_g_per_kwh", "must be 0 to 2000"),
        ("grids: {IE: {mean_g_per_kwh: 30000}}", "grids.IE.mean_g_per_kwh", "is 30000"),
        ("grids: {IE: {hours: EI}}", "grids.IE.hours", "no shape of a day `EI`"),
        ("hours: {IE: [1, 1, 1]}", "hours.IE", "must have 24 values, has 3"),
        (
            "hours: {IE: [2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2]}",
            "hours.IE",
            "must be 1 on average, are 2",
        ),
        (
            "hours: {IE: [-1,3,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
            "hours.IE",
            "0 to 10 each, one is -1",
        ),
        (
            "hours: {IE: [.nan,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
            "hours.IE",
            "one is NaN",
        ),
        ("round_trips: {within_ms: -1}", "round_trips.within_ms", "must be 0 to 2000"),
        ("round_trips: {fit_base_ms: 5000}", "round_trips.fit_base_ms", "is 5000"),
        ("round_trips: {fit_ms_per_km: 1.5}", "round_trips.fit_ms_per_km", "0.01 to 0.1, is 1.5"),
        ("round_trips: {fit_error_p50_ms: .nan}", "round_trips.fit_error_p50_ms", "is NaN"),
        (
            "round_trips: {fit_error_p90_ms: 5}",
            "round_trips.fit_error_p90_ms",
            "at least fit_error",
        ),
        (
            "round_trips: {measured_ms: {aws/us-east-9: {}}}",
            "round_trips.measured_ms.aws/us-east-9",
            "no region `aws/us-east-9`",
        ),
        (
            "round_trips: {measured_ms: {aws/us-east-1: {aws/us-west-9: 60}}}",
            "round_trips.measured_ms.aws/us-east-1.aws/us-west-9",
            "did you mean `aws/us-west-2`?",
        ),
        (
            "round_trips: {measured_ms: {aws/us-east-1: {gcp/us-east4: 0}}}",
            "round_trips.measured_ms.aws/us-east-1.gcp/us-east4",
            "above 0",
        ),
        (
            "round_trips: {measured_ms: {aws/us-east-1: {aws/us-east-1: 1}}}",
            "round_trips.measured_ms.aws/us-east-1.aws/us-east-1",
            "`within_ms` counts",
        ),
        (
            "round_trips: {measured_ms: {aws/us-east-1: {aws/ap-southeast-1: 20}}}",
            "round_trips.measured_ms.aws/us-east-1.aws/ap-southeast-1",
            "faster than light in fibre",
        ),
        (
            "round_trips: {measured_ms: {aws/us-west-2: {aws/us-east-1: 70}}}",
            "round_trips.measured_ms.aws/us-east-1.aws/us-west-2",
            "is 68.3 ms, the other direction says 70",
        ),
    ]);
}
