//! `strata report` on traces other than the bundled one.

use std::{fmt::Write, path::Path};

use serde_json::Value;
use strata_tests::{Finished, strata};

const FUNCTIONS: usize = 12;
const MINUTES: usize = 150;
const POLICIES: [&str; 10] = [
    "strata",
    "oracle",
    "stay_put",
    "random",
    "round_robin",
    "greedy_cost",
    "greedy_latency",
    "greedy_carbon",
    "best_fixed",
    "one_step_model",
];

fn write_trace(directory: &Path) {
    let minutes: Vec<String> = (1..=MINUTES).map(|minute| minute.to_string()).collect();
    let mut calls = format!("HashApp,HashFunction,Trigger,{}\n", minutes.join(","));
    let levels = [0, 1, 25, 50, 75, 99, 100].map(|level| format!("percentile_Average_{level}"));
    let mut durations = format!("HashApp,HashFunction,{}\n", levels.join(","));
    let levels = [1, 5, 25, 50, 75, 95, 99, 100].map(|l| format!("AverageAllocatedMb_pct{l}"));
    let mut memory = format!("HashApp,HashFunction,{}\n", levels.join(","));
    for function in 0..FUNCTIONS {
        let per_minute: Vec<String> =
            (0..MINUTES).map(|minute| (minute * (function % 6 + 1) % 7).to_string()).collect();
        let trigger = ["http", "timer", "queue", "storage"][function % 4];
        writeln!(calls, "a,f{function},{trigger},{}", per_minute.join(",")).unwrap();
        let run = 20 * (function + 1);
        let runs = [run / 4, run / 3, run / 2, run, 2 * run, 5 * run, 6 * run];
        writeln!(durations, "a,f{function},{}", runs.map(|ms| ms.to_string()).join(",")).unwrap();
        let used = [0, 1, 2, 3, 4, 5, 6, 7].map(|step| (60 + 20 * function + step).to_string());
        writeln!(memory, "a,f{function},{}", used.join(",")).unwrap();
    }
    for (name, text) in [("invocations", calls), ("durations", durations), ("memory", memory)] {
        std::fs::write(directory.join(format!("own_{name}.csv")), text).unwrap();
    }
}

fn report(trace: &Path, out: &Path) -> Finished {
    strata(&format!("report --trace {} --out {}", trace.display(), out.display()))
}

#[test]
fn a_trace_of_ones_own_is_replayed_and_judged() {
    let (trace, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_trace(trace.path());
    report(trace.path(), out.path()).expect_success();
    let bytes = std::fs::read(out.path().join("report.json")).unwrap();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    // A number that is not finite would be null, for JSON cannot write it.
    let number = |path: String| {
        assert!(json.pointer(&path).is_some_and(Value::is_number), "{path}");
    };
    for policy in POLICIES {
        for key in ["mean", "ci_low", "ci_high"] {
            number(format!("/objective/{policy}/{key}"));
        }
        for key in [
            "usd_per_million",
            "p50_ms",
            "p95_ms",
            "gco2e_per_million",
            "sla_violation_rate",
            "cold_start_rate",
            "moves_per_day",
        ] {
            number(format!("/physical/{policy}/{key}"));
        }
    }
    for value in ["request_rate", "memory_util", "cpu_util"] {
        for key in [
            "r2_pooled",
            "r2_mean",
            "rmse",
            "rmse_last",
            "rmse_moving_average",
            "rmse_exponential",
            "r2_mean_best_baseline",
            "under_rate",
            "mean_over",
        ] {
            number(format!("/forecast/{value}/{key}"));
        }
    }
    assert_eq!(json["functions"], FUNCTIONS);
    // 150 minutes are six intervals; during the first, functions are only observed.
    assert!(json["decisions"].as_u64().unwrap() >= 3 * FUNCTIONS as u64, "{}", json["decisions"]);
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    assert!(page.contains("id=\"summary\"") && page.contains("<svg"));
    assert!(out.path().join("objective.png").is_file());
}

#[test]
fn a_file_of_single_calls_is_replayed_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("calls.csv");
    let mut text = "app,func,end_timestamp,duration\n".to_owned();
    for minute in 0..MINUTES {
        for function in 0..FUNCTIONS {
            let end_s = 60.0 * (minute as f64 + 1.0) - 0.1;
            writeln!(text, "a,f{function},{end_s},0.{}", 10 + function).unwrap();
        }
    }
    std::fs::write(&file, text).unwrap();
    report(&file, directory.path()).expect_success();
    let bytes = std::fs::read(directory.path().join("report.json")).unwrap();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["trace"], file.display().to_string().as_str());
    assert_eq!(json["functions"], FUNCTIONS);
}

#[test]
fn a_directory_without_a_trace_is_an_error_that_says_what_it_needs() {
    let (trace, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let refused = report(trace.path(), out.path());
    assert_eq!(refused.code(), Some(1));
    let error = refused.stderr;
    assert!(error.contains("_invocations.csv") && error.contains("no CSV file"), "{error}");
}
