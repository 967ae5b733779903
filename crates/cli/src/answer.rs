//! A decision as text.

use std::fmt::Write;

use strata_terminal::{number_columns, text_columns};
use strata_wire::{pb, provider_from_pb, region_from_pb};

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
    if let Some(release) = &answer.release {
        let _ = writeln!(text, "  release    {}", release.name);
    }
    let _ = writeln!(text, "\n{}\n\n{}", estimates(answer), layers(answer));
    for layer in answer.layers.iter().filter(|layer| !layer.scores.is_empty()) {
        let scores: Vec<String> = layer.scores.iter().map(|s| format!("{s:.3}")).collect();
        let _ = writeln!(text, "\n{} scores: {}", layer_name(layer.layer()), scores.join(" "));
    }
    text.truncate(text.trim_end().len());
    text
}

/// A placement: provider, region in the provider's own name, memory.
pub(crate) fn place(placement: &pb::Placement) -> String {
    let provider = provider_name(placement.provider);
    let region = region_name(placement.region);
    match placement.provider_region.as_str() {
        "" => format!("{provider} {region}, {} MB", placement.memory_mb),
        own if own == region => format!("{provider} {region}, {} MB", placement.memory_mb),
        own => format!("{provider} {own} ({region}), {} MB", placement.memory_mb),
    }
}

/// The name of a provider in flags.
pub(crate) fn provider_name(value: i32) -> &'static str {
    provider_from_pb(value).map_or("unknown", |provider| provider.name())
}

/// The name of a region in flags.
pub(crate) fn region_name(value: i32) -> &'static str {
    region_from_pb(value).map_or("unknown", |region| region.name())
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
                format!("{} v{}", inference.model, inference.version),
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
            provider: pb::Provider::Azure.into(),
            region: pb::Region::EuWest1.into(),
            memory_mb: 1024,
            provider_region: "northeurope".to_owned(),
        };
        let asked = pb::DecideRequest {
            function: Some(pb::Function { application: "shop".into(), function: "pay".into() }),
            current: Some(current.clone()),
            ..Default::default()
        };
        let answer = pb::DecideResponse {
            decision_id: "0198".into(),
            release: Some(pb::Release { name: "r7".into(), ..Default::default() }),
            placement: Some(current),
            estimate: Some(pb::Estimate { cost_usd: 1.5e-6, ..Default::default() }),
            layers: vec![pb::LayerReport {
                layer: pb::Layer::Tactical.into(),
                freshness: pb::Freshness::Degraded.into(),
                reason: "no answer in time".into(),
                scores: vec![0.25, -1.0],
                ..Default::default()
            }],
            ..Default::default()
        };
        let text = text(&asked, &answer);
        for part in [
            "shop/pay",
            "run on     azure northeurope (eu-west-1), 1024 MB",
            "1.500",
            "release    r7",
            "degraded: no answer in time",
            "tactical scores: 0.250 -1.000",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
