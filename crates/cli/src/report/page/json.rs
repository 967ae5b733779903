//! report.json.

use serde_json::{Map, Value, json};

use crate::report::results::{
    HORIZONS, Interval, Judged, ORACLE, OUTPUTS, Results, STRATA, Score, TRIGGERS, ratio,
};

/// How the figures are measured, and their units.
pub(crate) const NORMALISATION: &str = "\
The objective of a decision is the weighted mean of its cost, performance and carbon, each the \
best attainable value for the same calls divided by the value reached (1 is the best), minus the \
penalty times the share of avoidably late calls. Every decision has the same weight. Intervals \
are 95 % cluster bootstraps over functions (2,000 resamples, seeded). USD and gCO2e are per \
million calls, weighted by calls; latency percentiles are over the runs sampled for each \
decision; rates of SLA violations and cold starts are means over decisions; moves are per \
function and day. regret is the oracle minus the policy; difference is strata minus the policy. \
Forecasts are in raw units, over all windows and over those with a call; exponential smoothing \
has alpha 0.5 over the window, oldest step first; the mean R2 is over functions whose truth has a \
standard deviation above 1 % of its mean and above 0.001.";

/// The content of the file.
pub(crate) fn of(results: &Results) -> Value {
    let by_policy = |value: &dyn Fn(&Judged) -> Value| {
        let pairs = results.policies.iter().map(|policy| (policy.name.to_owned(), value(policy)));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let gain = |name: &str| {
        let over = |base: &str| results.mean(name) - results.mean(base);
        json!({"random": over("random"), "stay_put": over("stay_put")})
    };
    json!({
        "objective": by_policy(&|policy| interval(policy.objective)),
        "difference": by_policy(&|policy| interval(policy.difference)),
        "regret": by_policy(&|policy| interval(policy.regret)),
        "physical": by_policy(&physical),
        "forecast": forecast(results),
        "forecast_active": forecast_active(results),
        "functions": results.functions,
        "decisions": results.decisions,
        "gap_closed": results.gap_closed(STRATA),
        "share_of_oracle": ratio(results.mean(STRATA), results.mean(ORACLE)),
        "gain_over": {STRATA: gain(STRATA), ORACLE: gain(ORACLE)},
        "forecast_windows": results.forecast.windows,
        "forecast_active_windows": results.forecast.active_windows,
        "forecast_stride": results.forecast.stride,
        "weights": {
            "cost": results.objective.weights.cost(),
            "performance": results.objective.weights.performance(),
            "carbon": results.objective.weights.carbon(),
            "sla_ms": results.objective.sla_ms,
            "sla_penalty": results.objective.sla_penalty,
        },
        "trace": results.name,
        "catalogue": {
            "name": results.catalogue.name(),
            "revision": results.catalogue.revision(),
            "placements": results.catalogue.candidates().len(),
        },
        "normalisation": NORMALISATION,
    })
}

fn interval(interval: Interval) -> Value {
    json!({"mean": interval.mean, "ci_low": interval.low, "ci_high": interval.high})
}

fn physical(policy: &Judged) -> Value {
    let physical = &policy.physical;
    json!({
        "usd_per_million": physical.usd_per_million,
        "p50_ms": physical.p50_ms,
        "p95_ms": physical.p95_ms,
        "gco2e_per_million": physical.gco2e_per_million,
        "sla_violation_rate": physical.sla_violation_rate,
        "cold_start_rate": physical.cold_start_rate,
        "moves_per_day": physical.moves_per_day,
    })
}

fn forecast(results: &Results) -> Value {
    let outputs = OUTPUTS.iter().enumerate().map(|(number, name)| {
        let horizons = HORIZONS.iter().zip(results.forecast.by_horizon[number]);
        let horizons: Map<_, _> = horizons.map(|(h, rmse)| (h.to_string(), json!(rmse))).collect();
        let triggers = TRIGGERS.iter().zip(results.forecast.by_trigger[number]);
        let triggers: Map<_, _> =
            triggers.map(|(trigger, rmse)| ((*trigger).to_owned(), json!(rmse))).collect();
        let mut value = score(&results.forecast.outputs[number]);
        value["rmse_by_horizon"] = Value::Object(horizons);
        value["rmse_by_trigger"] = Value::Object(triggers);
        ((*name).to_owned(), value)
    });
    Value::Object(outputs.collect())
}

fn forecast_active(results: &Results) -> Value {
    let scores = OUTPUTS.iter().zip(&results.forecast.active);
    Value::Object(scores.map(|(name, of)| ((*name).to_owned(), score(of))).collect())
}

fn score(score: &Score) -> Value {
    json!({
        "r2_pooled": score.r2_pooled,
        "r2_mean": score.r2_mean,
        "r2_median": score.r2_median,
        "r2_functions": score.r2_functions,
        "rmse": score.rmse,
        "rmse_last": score.rmse_last,
        "rmse_moving_average": score.rmse_moving_average,
        "rmse_exponential": score.rmse_exponential,
        "r2_mean_best_baseline": score.r2_mean_best_baseline,
        "under_rate": score.under_rate,
        "mean_over": score.mean_over,
        "under_rate_twice_last": score.under_rate_twice_last,
        "mean_over_twice_last": score.mean_over_twice_last,
    })
}
