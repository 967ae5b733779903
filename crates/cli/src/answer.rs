//! A decision as text.

use std::fmt::Write;

use strata_terminal::{number_columns, text_columns};
use strata_wire::pb;

/// The answer for a person to read.
pub(crate) fn text(asked: &pb::DecideRequest, answer: &pb::DecideResponse) -> String {
    let mut text = String::new();
    let function = asked.function.clone().unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}/{}", function.application, function.function);
    let placement = answer.placement.as_ref();
    let _ = writeln!(text, "  run on     {}", placement.map_or_else(nothing, place));
    if let Some(current) = &asked.current {
        let _ = writeln!(text, "  runs on    {}", place(current));
    }
    if let Some(forecast) = &answer.forecast {
        let _ = writeln!(
            text,
            "  next 15 s  {:.2} requests/s, {:.0} % of memory, {:.0} % of CPU, {:.2} at once",
            forecast.request_rate,
            forecast.memory_util * 100.0,
            forecast.cpu_util * 100.0,
            forecast.concurrency,
        );
    }
    let _ = writeln!(
        text,
        "  decision   {} in {}",
        answer.decision_id,
        milliseconds(answer.elapsed_us)
    );
    if let Some(catalogue) = &answer.catalogue {
        let _ = writeln!(text, "  catalogue  {} {}", catalogue.name, catalogue.revision);
    }
    if let Some(release) = &answer.release {
        let _ = writeln!(text, "  release    {}", release.name);
    }
    if !answer.unknown.is_empty() {
        let _ = writeln!(text, "  unknown    {}: not in the catalogue", answer.unknown.join(", "));
    }
    if !answer.dominated.is_empty() {
        let count = answer.dominated.len();
        let _ = writeln!(text, "  left out   {count} placements, each worse than another");
    }
    let _ = writeln!(text, "\n{}\n\n{}", estimates(answer), layers(answer));
    for layer in answer.layers.iter().filter(|layer| !layer.scores.is_empty()) {
        let _ = writeln!(text, "\n{} scores: {}", layer_name(layer.layer()), scores(layer));
    }
    text.truncate(text.trim_end().len());
    text
}

/// A placement: platform, region in the provider's own name, memory.
fn place(placement: &pb::Placement) -> String {
    format!("{} {}, {} MB", placement.platform, placement.region, placement.memory_mb)
}

/// Most scores that are shown of a layer.
const MOST_SCORES: usize = 12;

/// The best scores of a layer, best first, after what they belong to.
fn scores(layer: &pb::LayerReport) -> String {
    let label = |index: usize| layer.labels.get(index).map_or("", String::as_str);
    let mut best: Vec<(usize, f32)> = layer.scores.iter().copied().enumerate().collect();
    best.sort_by(|one, other| other.1.total_cmp(&one.1));
    let shown = best.iter().take(MOST_SCORES);
    let shown = shown.map(|(index, score)| format!("{} {score:.3}", label(*index)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match best.len().saturating_sub(MOST_SCORES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The name of a layer.
pub(crate) const fn layer_name(layer: pb::Layer) -> &'static str {
    match layer {
        pb::Layer::Unspecified => "unknown",
        pb::Layer::Strategic => "strategic",
        pb::Layer::Tactical => "tactical",
        pb::Layer::Operational => "operational",
    }
}

fn nothing() -> String {
    "nothing".to_owned()
}

fn milliseconds(us: u32) -> String {
    format!("{:.2} ms", f64::from(us) / 1000.0)
}

fn estimates(answer: &pb::DecideResponse) -> comfy_table::Table {
    let mut table = number_columns(&["an invocation is estimated to", "there", "where it runs"]);
    let there = answer.estimate.unwrap_or_default();
    let mut row = |name: &str, show: fn(&pb::Estimate) -> String| {
        let here = answer.current_estimate.as_ref().map_or_else(|| "-".to_owned(), show);
        table.add_row([name.to_owned(), show(&there), here]);
    };
    row("cost, USD per million", |e| format!("{:.3}", e.cost_usd * 1e6));
    row("take, ms", |e| format!("{:.1}", e.latency_ms));
    row("emit, gCO2e per million", |e| format!("{:.1}", e.carbon_g * 1e6));
    row("start cold, %", |e| format!("{:.2}", e.cold_start_probability * 100.0));
    row("score by the objective", |e| format!("{:.4}", e.objective));
    table
}

fn layers(answer: &pb::DecideResponse) -> comfy_table::Table {
    let mut table = text_columns(&["layer", "model", "time", "queued", "ran", "batch", "answer"]);
    for layer in &answer.layers {
        let name = layer_name(layer.layer()).to_owned();
        let [model, queued, ran, batch] = match &layer.inference {
            None => ["-"; 4].map(str::to_owned),
            Some(inference) => [
                match inference.policy.as_str() {
                    "" => format!("{} v{}", inference.model, inference.version),
                    policy => format!("{} v{}, {policy}", inference.model, inference.version),
                },
                milliseconds(inference.queue_us),
                milliseconds(inference.run_us),
                inference.batch_size.to_string(),
            ],
        };
        let freshness = match layer.freshness() {
            pb::Freshness::Unspecified => "unknown",
            pb::Freshness::Fresh => "fresh",
            pb::Freshness::Cached => "cached",
            pb::Freshness::Degraded => "degraded",
        };
        let answer = match layer.reason.as_str() {
            "" => freshness.to_owned(),
            reason => format!("{freshness}: {reason}"),
        };
        table.add_row([name, model, milliseconds(layer.elapsed_us), queued, ran, batch, answer]);
    }
    table
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_answer_is_shown() {
        let current = pb::Placement {
            platform: "azure-functions-flex".to_owned(),
            region: "northeurope".to_owned(),
            memory_mb: 2048,
            provider: "azure".to_owned(),
        };
        let asked = pb::DecideRequest {
            function: Some(pb::Function { application: "shop".into(), function: "pay".into() }),
            current: Some(current.clone()),
            ..Default::default()
        };
        let answer = pb::DecideResponse {
            decision_id: "0198".into(),
            release: Some(pb::Release { name: "r7".into(), ..Default::default() }),
            placement: Some(current.clone()),
            catalogue: Some(pb::CatalogueRevision {
                name: "world".into(),
                revision: "0a1b".into(),
            }),
            unknown: vec!["current.region".into()],
            dominated: vec![current; 3],
            estimate: Some(pb::Estimate { cost_usd: 1.5e-6, ..Default::default() }),
            layers: vec![pb::LayerReport {
                layer: pb::Layer::Tactical.into(),
                freshness: pb::Freshness::Degraded.into(),
                reason: "no answer in time".into(),
                scores: vec![-1.0, 0.25],
                labels: vec!["northeurope/512".into(), "northeurope/2048".into()],
                ..Default::default()
            }],
            ..Default::default()
        };
        let text = text(&asked, &answer);
        for part in [
            "shop/pay",
            "run on     azure-functions-flex northeurope, 2048 MB",
            "catalogue  world 0a1b",
            "unknown    current.region: not in the catalogue",
            "left out   3 placements",
            "1.500",
            "release    r7",
            "degraded: no answer in time",
            "tactical scores: northeurope/2048 0.250, northeurope/512 -1.000",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
