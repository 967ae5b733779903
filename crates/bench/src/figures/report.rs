//! The figures of a run, as tables and as JSON.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Value, json};
use strata_terminal::number_columns;

use super::{
    machine::Machine,
    samples::Figures,
    targets::{Verdict, verdicts},
};
use crate::case::Case;

/// Everything that a run measured.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) cases: Vec<Case>,
    pub(crate) rounds: usize,
    /// How long each load lasted, in seconds.
    pub(crate) seconds: f64,
    pub(crate) figures: Figures,
    /// What was not measured, and why.
    pub(crate) left_out: Vec<String>,
}

const LOAD: [&str; 8] =
    ["load", "a second", "spread %", "p50 us", "p99 us", "p99.9 us", "cpu us each", "errors"];
/// The suffixes of the figures of a load, in the order of the columns.
const SUFFIXES: [&str; 5] = ["rps", "p50_us", "p99_us", "p999_us", "cpu_us"];

impl Report {
    /// The tables.
    pub(crate) fn text(&self) -> String {
        let Self { machine, rounds, seconds, .. } = self;
        let mut text =
            format!("{}\nmedians of {rounds} rounds of {seconds} s each\n\n", machine.line());
        let _ = write!(text, "{}\n\n{}", self.loads(), self.others());
        let targets = verdicts(&self.figures, self.rounds);
        if !targets.is_empty() {
            let _ = write!(text, "\n\n{}", target_table(&targets));
        }
        for left_out in &self.left_out {
            let _ = write!(text, "\nnot measured: {left_out}");
        }
        text
    }

    fn loads(&self) -> comfy_table::Table {
        let mut table = number_columns(&LOAD);
        let reload = ["reload_before", "reload_during", "reload_after"];
        let reload = reload.map(|name| (name.to_owned(), name.replace('_', " ")));
        let cases = self.cases.iter().map(|case| (case.name(), case.title())).chain(reload);
        for (name, title) in cases {
            let key = |suffix: &str| format!("{name}_{suffix}");
            let Some(spread) = self.figures.spread_percent(&key("rps")) else { continue };
            let mut row = vec![title];
            row.extend(SUFFIXES.map(|suffix| number(self.figures.median(&key(suffix)))));
            row.insert(2, format!("{spread:.0}"));
            row.push(
                Some(self.figures.errors(&name)).filter(|e| !e.is_empty()).unwrap_or("0".into()),
            );
            table.add_row(row);
        }
        table
    }

    /// The figures that belong to no load.
    fn others(&self) -> comfy_table::Table {
        let mut table = number_columns(&["figure", "median", "spread %"]);
        let of_load = |key: &str| {
            let name = SUFFIXES.iter().find_map(|suffix| key.strip_suffix(&format!("_{suffix}")));
            name.is_some_and(|name| !self.figures.samples(&format!("{name}_p999_us")).is_empty())
        };
        for key in self.figures.keys().filter(|key| !of_load(key)) {
            let spread = self.figures.spread_percent(key).map(|spread| format!("{spread:.0}"));
            table.add_row([
                key.to_owned(),
                number(self.figures.median(key)),
                spread.unwrap_or_default(),
            ]);
        }
        table
    }

    /// The content of `results.json`: the median of every figure under its key; then the machine,
    /// the targets, the errors, the spreads and the samples of the rounds.
    pub(crate) fn json(&self) -> Value {
        let mut medians = BTreeMap::new();
        let mut spreads = BTreeMap::new();
        let mut samples = BTreeMap::new();
        for key in self.figures.keys() {
            medians.insert(key, self.figures.median(key));
            spreads.insert(key, self.figures.spread_percent(key));
            samples.insert(key, self.figures.samples(key));
        }
        let mut json = json!(medians);
        let about = json!({
            "machine": self.machine,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "targets": verdicts(&self.figures, self.rounds),
            "errors": self.figures.all_errors(),
            "left_out": self.left_out,
            "spread_percent": spreads,
            "samples": samples,
        });
        if let (Value::Object(json), Value::Object(about)) = (&mut json, about) {
            json.extend(about);
        }
        json
    }
}

fn target_table(targets: &[Verdict]) -> comfy_table::Table {
    let mut table = number_columns(&["target", "wanted", "measured", "spread %", "met"]);
    for target in targets {
        let sign = if target.at_least { ">=" } else { "<=" };
        table.add_row([
            target.what.to_owned(),
            format!("{sign} {}", target.wanted),
            number(Some(target.measured)),
            target.spread_percent.map(|spread| format!("{spread:.0}")).unwrap_or_default(),
            if target.met { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table
}

/// Three digits or more, without those that say nothing.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 || value == 0.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use strata_load::Measured;

    use super::*;
    use crate::case::Server;

    fn report() -> Report {
        let mut figures = Figures::default();
        for answers in [100, 200] {
            let mut measured = Measured::new().unwrap();
            (0..answers).for_each(|_| measured.count(Duration::from_millis(2), Ok(())));
            measured.count(Duration::from_millis(2), Err("UNAVAILABLE"));
            measured.elapsed = Duration::from_secs(1);
            figures.add_load("decide_unary_64", &measured, None);
            figures.add("ready_ms", 320.0);
        }
        Report {
            machine: Machine::default(),
            cases: vec![Case::Unary(Server::Cluster, 64), Case::Ready],
            rounds: 2,
            seconds: 1.0,
            figures,
            left_out: vec!["the peers: not there".to_owned()],
        }
    }

    #[test]
    fn a_load_is_a_line_and_other_figures_are_too() {
        let text = report().text();
        let line = text.lines().find(|line| line.contains("64 callers")).unwrap();
        for part in ["150", "67", "2 UNAVAILABLE"] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(text.contains("ready_ms") && !text.contains("decide_unary_64_rps"), "{text}");
        assert!(text.ends_with("not measured: the peers: not there"));
    }

    #[test]
    fn medians_stand_at_the_top_of_the_json() {
        let json = report().json();
        assert_eq!(json["decide_unary_64_rps"], json!(150.0));
        assert_eq!(json["samples"]["decide_unary_64_rps"], json!([100.0, 200.0]));
        assert_eq!(json["errors"]["decide_unary_64"], json!({"UNAVAILABLE": 2}));
        assert_eq!(json["targets"][0]["met"], json!(false));
    }
}
