//! The pictures of the report.

use std::{collections::BTreeMap, path::Path};

use strata_domain::{Catalogue, Placement};

use super::chart::{Chart, Content, Line, Point, Row};
use crate::report::results::{HORIZONS, Judged, OUTPUTS, Results, STRATA, TRIGGERS, ratio};

/// Places of the chart of placements; more would not have colours of their own.
const MOST_PLACES: usize = 12;

/// A chart; its name begins with that of its section, and is that of its file.
pub(crate) struct Picture {
    pub(crate) name: String,
    pub(crate) svg: String,
}

/// Draws every chart: as a PNG file into `out`, and as SVG for the page.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn all(results: &Results, out: &Path) -> anyhow::Result<Vec<Picture>> {
    let pictures = charts(results).into_iter().map(|(name, chart)| {
        chart.png(&out.join(format!("{name}.png")))?;
        Ok(Picture { svg: chart.svg()?, name })
    });
    pictures.collect()
}

fn charts(results: &Results) -> Vec<(String, Chart)> {
    let mut charts = vec![
        ("objective".to_owned(), objective(results)),
        ("regret".to_owned(), regret(results)),
        ("cost-latency".to_owned(), cost_latency(results)),
        ("placements".to_owned(), placements(results)),
        ("cold-starts".to_owned(), cold_starts(results)),
        ("headroom".to_owned(), headroom(results)),
    ];
    for (number, output) in OUTPUTS.iter().enumerate() {
        let horizon = HORIZONS.iter().zip(results.forecast.by_horizon[number]);
        let horizon = horizon.map(|(steps, rmse)| bar(format!("{steps} steps ahead"), rmse));
        let trigger = TRIGGERS.iter().zip(results.forecast.by_trigger[number]);
        let trigger = trigger.map(|(name, rmse)| bar((*name).to_owned(), rmse));
        let title = format!("Forecast error of {output}, by horizon and by trigger");
        let rows = horizon.chain(trigger).collect();
        charts.push((format!("forecast-{output}"), row_chart(title, "RMSE", rows)));
    }
    for curves in &results.training {
        let lines = curves
            .series
            .iter()
            .map(|(label, points)| Line { label: label.clone(), points: points.clone() });
        let chart = Chart {
            title: format!("Training of the {} model", curves.layer),
            x: "step",
            y: "value",
            content: Content::Lines(lines.collect()),
        };
        charts.push((format!("training-{}", curves.layer), chart));
    }
    charts
}

fn row_chart(title: impl Into<String>, x: &'static str, rows: Vec<Row>) -> Chart {
    Chart { title: title.into(), x, y: "", content: Content::Rows(rows) }
}

fn bar(label: String, value: f64) -> Row {
    Row { label, value, low: value, high: value, middle: None }
}

fn objective(results: &Results) -> Chart {
    let rows = results.policies.iter().map(|policy| Row {
        label: policy.name.to_owned(),
        value: policy.objective.mean,
        low: policy.objective.low,
        high: policy.objective.high,
        middle: None,
    });
    let title = "Objective by policy, with 95 % intervals (more is better)";
    row_chart(title, "mean objective of a decision", rows.collect())
}

fn regret(results: &Results) -> Chart {
    let rows = [STRATA, "one_step_model", "best_fixed"].iter().filter_map(|name| {
        let policy = results.policy(name)?;
        let mut sorted = policy.regret_by_function.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |level: f64| sorted[(level * last as f64).round() as usize];
        Some(Row {
            label: policy.name.to_owned(),
            value: at(0.5),
            low: at(0.05),
            high: at(0.95),
            middle: Some((at(0.25), at(0.75))),
        })
    });
    let title = "Regret against the oracle over functions: median, middle half, 5 to 95 %";
    row_chart(title, "mean regret of a function", rows.collect())
}

fn cost_latency(results: &Results) -> Chart {
    let carbon = |policy: &Judged| policy.physical.gco2e_per_million;
    let most = results.policies.iter().map(carbon).fold(f64::MIN_POSITIVE, f64::max);
    let points = results.policies.iter().map(|policy| Point {
        label: policy.name.to_owned(),
        at: (policy.physical.usd_per_million, policy.physical.p50_ms),
        size: carbon(policy) / most,
    });
    Chart {
        title: "Cost, latency and carbon (size) by policy".to_owned(),
        x: "USD per million calls",
        y: "median latency in ms",
        content: Content::Points(points.collect()),
    }
}

/// Shares of strata's decisions, stacked: the first line is the sum of all.
fn placements(results: &Results) -> Chart {
    let decided = results.policy(STRATA).map_or(&[][..], |policy| &policy.decided);
    let mut by_place: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    let mut totals: BTreeMap<i64, f64> = BTreeMap::new();
    for decision in decided {
        let hour = decision.outcome.at.unix_seconds().div_euclid(3600);
        let place = place(&results.catalogue, decision.outcome.placement);
        *by_place.entry(place).or_default().entry(hour).or_default() += 1.0;
        *totals.entry(hour).or_default() += 1.0;
    }
    let by_place = most_used(by_place);
    let first = totals.keys().next().copied().unwrap_or(0);
    let begin = first.rem_euclid(24) as f64;
    let mut above: BTreeMap<i64, f64> = totals.keys().map(|hour| (*hour, 1.0)).collect();
    let mut lines = Vec::new();
    for (label, counts) in by_place.iter().rev() {
        let points = above.iter().map(|(hour, level)| (begin + (hour - first) as f64, *level));
        lines.push(Line { label: label.clone(), points: points.collect() });
        for (hour, level) in &mut above {
            let count = counts.get(hour).copied().unwrap_or(0.0);
            *level -= ratio(count, totals[hour]);
        }
    }
    Chart {
        title: "Where strata places functions over the day".to_owned(),
        x: "hour of the day (UTC)",
        y: "share of decisions",
        content: Content::Areas(lines),
    }
}

fn place(catalogue: &Catalogue, placement: Placement) -> String {
    let (platform, region) = (placement.platform, placement.region);
    format!("{} {}", catalogue.platform(platform).name, catalogue.region(region).name)
}

/// How many decisions of each hour since 1970 chose a place.
type ByHour = BTreeMap<i64, f64>;

/// The places that were chosen most; the others together.
fn most_used(by_place: BTreeMap<String, ByHour>) -> BTreeMap<String, ByHour> {
    let mut places: Vec<(String, ByHour)> = by_place.into_iter().collect();
    let uses = |(_, counts): &(String, ByHour)| counts.values().sum::<f64>();
    places.sort_by(|one, other| uses(other).total_cmp(&uses(one)));
    let mut others = ByHour::new();
    for (_, counts) in places.split_off(places.len().min(MOST_PLACES)) {
        for (hour, count) in counts {
            *others.entry(hour).or_default() += count;
        }
    }
    let mut most: BTreeMap<String, ByHour> = places.into_iter().collect();
    if !others.is_empty() {
        most.insert("others".to_owned(), others);
    }
    most
}

fn cold_starts(results: &Results) -> Chart {
    let rows = results.policies.iter();
    let rows = rows.map(|policy| bar(policy.name.to_owned(), policy.physical.cold_start_rate));
    row_chart("Cold starts by policy", "mean share of calls that start cold", rows.collect())
}

fn headroom(results: &Results) -> Chart {
    let rows = OUTPUTS.iter().zip(&results.forecast.outputs).flat_map(|(output, score)| {
        [
            bar(format!("{output}, bound"), score.under_rate),
            bar(format!("{output}, 2 x last"), score.under_rate_twice_last),
        ]
    });
    let title = "Headroom: how often the truth exceeds the bound, and twice the last value";
    row_chart(title, "share of windows", rows.collect())
}
