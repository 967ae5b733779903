//! The report on a small world, with answers that need no services.

use std::{ops::Range, sync::Arc};

use serde_json::Value;
use strata_catalogue::{RESEARCH, built_in};
use strata_domain::Objective;
use strata_simulator::{Scope, StayPut, Trace, WindowOptions, World, WorldOptions, evaluate};

use super::{
    answers::{Answers, Forecast, Forecasts},
    page::{SECTIONS, json_of},
    results::{Results, judge},
    subject::Subject,
    write,
};

const POLICIES: [&str; 11] = [
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
    "patient_model",
];

/// Some functions of the bundled trace on the catalogue of the research.
pub(super) fn world(functions: Range<usize>) -> World {
    let trace = Trace::bundled().unwrap().with_only(functions);
    World::new(trace, WorldOptions::default(), Arc::new(built_in(RESEARCH).catalogue))
}

fn results() -> Results {
    let world = world(0..6);
    let (scope, objective) = (Scope::everything(), Objective::strategic());
    let strata = evaluate(&world, &mut StayPut, scope, objective).decided;
    let options = WindowOptions { stride: 21, ..WindowOptions::default() };
    let windows: Vec<_> = world.windows(strata_simulator::Split::Test, options).collect();
    let exact = |window: &strata_simulator::Window| {
        let point = window.y.map(f64::from);
        Forecast { point, upper: point.map(|value| value + 1.0) }
    };
    let answers = windows.iter().map(exact).collect();
    let forecasts = Forecasts { windows, answers, stride: 21 };
    let models = "models".into();
    let subject = Subject { name: "a <small> trace".to_owned(), world, scope, objective, models };
    judge(&subject, Answers { strata, forecasts })
}

fn all_finite(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().all(all_finite),
        Value::Null => false,
        _ => true,
    }
}

#[test]
fn the_figures_are_complete_and_right() {
    let results = results();
    let json = json_of(&results);
    assert!(all_finite(&json), "{json}");
    assert_eq!(
        (&json["catalogue"]["name"], &json["catalogue"]["placements"]),
        (&Value::from("research"), &Value::from(64),)
    );
    for policy in POLICIES {
        for key in ["mean", "ci_low", "ci_high"] {
            assert!(json["objective"][policy][key].is_f64(), "{policy} {key}");
        }
        assert!(json["physical"][policy]["usd_per_million"].as_f64().unwrap() > 0.0);
    }
    // Strata stayed put here, and the forecasts were exact.
    assert_eq!(json["objective"]["strata"], json["objective"]["stay_put"]);
    assert_eq!(json["difference"]["stay_put"]["ci_high"], 0.0);
    assert_eq!(json["physical"]["strata"]["moves_per_day"], 0.0);
    assert!(json["regret"]["stay_put"]["mean"].as_f64().unwrap() >= 0.0);
    for output in ["request_rate", "memory_util", "cpu_util"] {
        assert_eq!(json["forecast"][output]["rmse"], 0.0);
        assert_eq!(json["forecast"][output]["under_rate"], 0.0);
        assert!((json["forecast"][output]["mean_over"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    }
    for key in ["gap_closed", "share_of_oracle", "functions", "decisions"] {
        assert!(json[key].is_number(), "{key}");
    }
}

#[test]
fn the_page_has_every_section_and_needs_nothing_else() {
    let results = results();
    let out = tempfile::tempdir().unwrap();
    write(&results, out.path()).unwrap();
    let page = std::fs::read_to_string(out.path().join("report.html")).unwrap();
    for (id, title) in SECTIONS {
        assert!(page.contains(&format!("<h2 id=\"{id}\">{title}</h2>")), "{id}");
    }
    assert!(page.contains("does <b>not</b> beat stay put: difference +0.0000"));
    assert!(page.contains("a &lt;small&gt; trace"));
    assert!(page.contains("the models bring no training.csv"));
    let own = page.replace("http://www.w3.org/", "");
    for outside in ["http:", "https:", "<script", "<link", "src=", "@import"] {
        assert!(!own.contains(outside), "{outside}");
    }
    let picture = std::fs::read(out.path().join("objective.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
    assert!(page.matches("<svg").count() >= 9);
}
