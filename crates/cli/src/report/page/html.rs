//! report.html: one file without scripts or external resources.

use std::fmt::Write;

use super::{json::NORMALISATION, pictures::Picture};
use crate::report::results::{ORACLE, OUTPUTS, Results, STRATA, Score, Scores};

const STYLE: &str = "\
body{font:16px/1.5 sans-serif;max-width:60rem;margin:auto;padding:0 1rem;color:#222}\
svg{width:100%;height:auto}table{border-collapse:collapse;display:block;overflow-x:auto}\
td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}\
td:first-child,th:first-child{text-align:left}";

/// The sections: the prefix of the names of their pictures, and the title.
pub(crate) const SECTIONS: [(&str, &str); 8] = [
    ("objective", "Objective by policy"),
    ("regret", "Regret against the oracle"),
    ("cost-latency", "Cost against latency"),
    ("placements", "Placements over the day"),
    ("cold-starts", "Cold starts"),
    ("forecast", "Forecast error"),
    ("headroom", "Headroom"),
    ("training", "Training"),
];

/// The page.
pub(crate) fn page(results: &Results, pictures: &[Picture]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Strata report</title><style>{STYLE}</style></head><body>\n<h1>Strata report</h1>\n"
    );
    page += &summary(results);
    for (prefix, title) in SECTIONS {
        let _ = writeln!(page, "<h2 id=\"{prefix}\">{title}</h2>");
        let mut shown = 0;
        for picture in pictures.iter().filter(|picture| picture.name.starts_with(prefix)) {
            page += &picture.svg;
            shown += 1;
        }
        if shown == 0 {
            page += "<p>Left out: the models bring no training.csv.</p>\n";
        }
        match prefix {
            "objective" => page += &objective_table(results),
            "cost-latency" => page += &physical_table(results),
            "forecast" => page += &forecast_tables(results),
            _ => {}
        }
    }
    let _ = writeln!(
        page,
        "<h2 id=\"method\">How it was measured</h2>\n<p>{NORMALISATION}</p>\n</body></html>"
    );
    page
}

fn summary(results: &Results) -> String {
    let Results { functions, decisions, .. } = results;
    let mut text = format!(
        "<h2 id=\"summary\">Summary</h2>\n<p>Replayed: {} on the {} placements of the catalogue \
         {}; {decisions} decisions about {functions} functions, made by the services as they are \
         served, and by baselines in the simulator.</p>\n<p>Strata reaches an objective of \
         <b>{:.4}</b>, the clairvoyant oracle {:.4}, the best fixed \
         placement {:.4}: strata closes {:.0} % of the gap.</p>\n<ul>\n",
        escaped(&results.name),
        results.catalogue.candidates().len(),
        escaped(results.catalogue.name()),
        results.mean(STRATA),
        results.mean(ORACLE),
        results.mean("best_fixed"),
        100.0 * results.gap_closed(STRATA),
    );
    for policy in results.policies.iter().filter(|p| p.name != STRATA && p.name != ORACLE) {
        let difference = policy.difference;
        // Strata wins only if the whole interval is above 0.
        let verdict = if difference.low > 0.0 { "beats" } else { "does <b>not</b> beat" };
        let _ = writeln!(
            text,
            "<li>Strata {verdict} {}: difference {:+.4}, CI {:+.4} to {:+.4}.</li>",
            policy.name.replace('_', " "),
            difference.mean,
            difference.low,
            difference.high,
        );
    }
    text += "</ul>\n<ul>\n";
    for (output, score) in OUTPUTS.iter().zip(&results.forecast.outputs) {
        let verdict =
            if score.r2_mean > score.r2_mean_best_baseline { "beat" } else { "do <b>not</b> beat" };
        let _ = writeln!(
            text,
            "<li>Forecasts of {output} {verdict} the best simple baseline: \
             mean R&sup2; {:.3} against {:.3}.</li>",
            score.r2_mean, score.r2_mean_best_baseline,
        );
    }
    text + "</ul>\n"
}

fn objective_table(results: &Results) -> String {
    let rows = results.policies.iter().map(|policy| {
        let (own, less, regret) = (policy.objective, policy.difference, policy.regret);
        vec![
            policy.name.to_owned(),
            format!("{:.4}", own.mean),
            format!("{:.4} to {:.4}", own.low, own.high),
            format!("{:+.4} ({:+.4} to {:+.4})", less.mean, less.low, less.high),
            format!("{:.4}", regret.mean),
        ]
    });
    table(&["policy", "objective", "95 % CI", "strata less it", "regret"], rows)
}

fn physical_table(results: &Results) -> String {
    let rows = results.policies.iter().map(|policy| {
        let physical = &policy.physical;
        vec![
            policy.name.to_owned(),
            format!("{:.3}", physical.usd_per_million),
            format!("{:.1}", physical.p50_ms),
            format!("{:.1}", physical.p95_ms),
            format!("{:.2}", physical.gco2e_per_million),
            format!("{:.2} %", 100.0 * physical.sla_violation_rate),
            format!("{:.2} %", 100.0 * physical.cold_start_rate),
            format!("{:.2}", physical.moves_per_day),
        ]
    });
    let head =
        ["policy", "USD/M", "p50 ms", "p95 ms", "gCO2e/M", "SLA broken", "cold", "moves/day"];
    table(&head, rows)
}

fn forecast_tables(results: &Results) -> String {
    let Scores { outputs, active, windows, active_windows, .. } = &results.forecast;
    format!(
        "<p>All {windows} windows:</p>\n{}\
         <p>The {active_windows} windows with a call in them:</p>\n{}",
        forecast_table(outputs),
        forecast_table(active)
    )
}

fn forecast_table(scores: &[Score; 3]) -> String {
    let rows = OUTPUTS.iter().zip(scores).map(|(output, score)| {
        let mut row = vec![(*output).to_owned()];
        let values = [
            score.r2_pooled,
            score.r2_mean,
            score.r2_mean_best_baseline,
            score.rmse,
            score.rmse_last,
            score.rmse_moving_average,
            score.rmse_exponential,
            score.under_rate,
            score.mean_over,
            score.under_rate_twice_last,
            score.mean_over_twice_last,
        ];
        row.extend(values.map(|value| format!("{value:.4}")));
        row
    });
    let head = [
        "value",
        "R2 pooled",
        "R2 mean",
        "R2 best simple",
        "RMSE",
        "last",
        "average",
        "exponential",
        "bound exceeded",
        "bound over",
        "2 x last exceeded",
        "2 x last over",
    ];
    table(&head, rows)
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("<table><tr><th>{}</th></tr>\n", head.join("</th><th>"));
    for row in rows {
        let _ = writeln!(text, "<tr><td>{}</td></tr>", row.join("</td><td>"));
    }
    text + "</table>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
