//! `strata replay`: the decisions of a whole trace.

use strata_tests::{Cluster, strata};

#[test]
fn replay_starts_what_it_needs_decides_everything_and_stops_it() {
    let report = strata("replay --up --limit 200 --part test").expect_success();
    assert!(report.starts_with("200 decisions in "), "{report}");
    for part in ["0 faults", "end to end", "operational", "p99", "us-east-1", "by calls", "change"]
    {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
}

#[test]
fn replay_fails_when_requests_are_not_decided() {
    let mut cluster = Cluster::start();
    cluster.operational.kill();
    let endpoint = cluster.coordinator.spec().endpoint();
    let failed = strata(&format!(
        "replay --endpoint {endpoint} --catalogue research --limit 50 --part test"
    ));
    assert_eq!(failed.code(), Some(1));
    let report = failed.stdout;
    assert!(report.contains("50 faults") && report.contains("UNAVAILABLE: 50"), "{report}");
}
