//! `strata-bench`: measurements in rounds.

use serde_json::{Value, json};
use strata_tests::{Cluster, strata_bench};

#[test]
fn bench_measures_in_rounds_and_writes_keys() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let only = "echo,decide_unary,decide_stream_256,unix,tactical,decide_open_50,reload,ready,rss";
    let json = file.path().display();
    let table = strata_bench(&format!("--rounds 2 --duration 40ms --only {only} --json {json}"))
        .expect_success();
    for part in ["bare tonic echo", "DecideStream", "p99.9 us", "rss_total_mb", "medians of 2"] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    let figures: Value = serde_json::from_reader(file.reopen().unwrap()).unwrap();
    for key in [
        "echo_unary_1_p50_us",
        "echo_stream_256_rps",
        "decide_unary_64_rps",
        "decide_stream_256_p999_us",
        "unix_decide_1_p50_us",
        "unix_decide_64_cpu_us",
        "tactical_unary_64_rps",
        "tactical_oip_64_rps",
        "tactical_frames_64_rps",
        "decide_open_50pct_p99_us",
        "reload_p99_before_us",
        "reload_p99_during_us",
        "rss_total_mb",
        "ready_ms",
    ] {
        assert!(figures[key].as_f64().is_some_and(|value| value > 0.0), "{key}: {figures}");
        assert_eq!(figures["samples"][key].as_array().unwrap().len(), 2, "{key}");
    }
    assert_eq!(figures["errors"], json!({}), "{figures}");
    assert!(figures["machine"]["cores"].as_u64().unwrap() > 0);
    let targets = figures["targets"].as_array().unwrap();
    assert!(targets.iter().any(|target| target["what"].as_str().unwrap().contains("p99 while")));
}

#[test]
fn bench_of_a_running_coordinator_is_next_to_an_echo() {
    let cluster = Cluster::start();
    let endpoint = cluster.coordinator.spec().endpoint();
    let table =
        strata_bench(&format!("--quick --duration 40ms --endpoint {endpoint} --callers 1,3"))
            .expect_success();
    for part in ["bare tonic echo, 3 callers", "Decide, 3 callers", "DecideStream, 256"] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
}

#[test]
fn bench_refuses_names_of_nothing() {
    let refused = strata_bench("--only speed");
    assert_eq!(refused.code(), Some(1));
    let said = refused.stderr;
    assert!(said.contains("--only speed is the beginning of no"), "{said}");
}
