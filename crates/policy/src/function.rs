//! What is known of a function itself, as features that any model of the strategic and tactical
//! layers may take.

use strata_domain::FunctionFacts;

use crate::feature::Feature;

/// Computes a feature.
pub(crate) type FunctionValue = fn(&FunctionFacts) -> f64;
pub(crate) type FunctionFeature = Feature<FunctionValue>;

/// Rates above this count as this, as in the research framework.
const MAX_RATE_PER_MINUTE: f64 = 1000.0;
/// The longest run any provider allows is 60 minutes.
const MAX_DURATION_MS: f64 = 3_600_000.0;
const DAY_MS: f64 = 86_400_000.0;
/// The memory of the largest size that the models of the research framework know.
const MAX_MEMORY_MB: f64 = 3008.0;

const fn feature(
    (name, unit): (&'static str, &'static str),
    (min, max): (f64, f64),
    formula: &'static str,
    value: FunctionValue,
) -> FunctionFeature {
    Feature { name, unit, min, max, formula, value }
}

pub(crate) fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

pub(crate) static FUNCTION: &[FunctionFeature] = &[
    feature(("hour", "h"), (0.0, 23.0), "hour of the day, UTC", |s| f64::from(s.at.hour())),
    feature(("hour_sin", "1"), (-1.0, 1.0), "sin(2 pi seconds of the day / 86400)", |s| {
        s.at.hour_sin()
    }),
    feature(("day_of_week", "d"), (0.0, 6.0), "Monday 0 to Sunday 6, UTC", |s| {
        f64::from(s.at.weekday())
    }),
    feature(("is_weekend", "1"), (0.0, 1.0), "day_of_week >= 5", |s| flag(s.at.is_weekend())),
    feature(("is_business_hours", "1"), (0.0, 1.0), "9 <= hour <= 17", |s| {
        flag(s.at.is_business_hours())
    }),
    feature(
        ("invocation_rate", "1/min"),
        (0.0, MAX_RATE_PER_MINUTE),
        "invocations per minute, at most 1000",
        |s| s.invocation_rate_per_minute,
    ),
    feature(
        ("inter_arrival_time", "ms"),
        (0.0, DAY_MS),
        "mean time between invocations, at most a day",
        |s| s.inter_arrival.get(),
    ),
    feature(("is_bursty", "1"), (0.0, 1.0), "inter_arrival_time < 100 ms", |s| flag(s.is_bursty())),
    feature(("duration", "ms"), (0.0, MAX_DURATION_MS), "latest run time, warm", |s| {
        s.duration.get()
    }),
    feature(("avg_duration", "ms"), (0.0, MAX_DURATION_MS), "mean run time", |s| {
        s.avg_duration.get()
    }),
    feature(
        ("std_duration", "ms"),
        (0.0, MAX_DURATION_MS),
        "standard deviation of the run time",
        |s| s.std_duration.get(),
    ),
    feature(("memory_mb", "MB"), (0.0, MAX_MEMORY_MB), "memory the function uses", |s| {
        s.memory.get()
    }),
    feature(("avg_cost", "USD"), (0.0, 10.0), "mean cost of an invocation", |s| s.avg_cost.get()),
    feature(
        ("avg_carbon", "gCO2e"),
        (0.0, 1000.0),
        "mean carbon footprint of an invocation",
        |s| s.avg_carbon.get(),
    ),
    feature(("cold_start_rate", "1"), (0.0, 1.0), "share of invocations that started cold", |s| {
        s.cold_start_rate
    }),
    feature(
        ("app_cold_start_rate", "1"),
        (0.0, 1.0),
        "share of the application's invocations that started cold",
        |s| s.application.cold_start_rate,
    ),
    feature(
        ("app_sla_violation_rate", "1"),
        (0.0, 1.0),
        "share of the application's invocations slower than their latency objective",
        |s| s.application.sla_violation_rate,
    ),
    feature(
        ("app_avg_invocation_rate", "1/min"),
        (0.0, MAX_RATE_PER_MINUTE),
        "mean invocations per minute over the application's functions, at most 1000",
        |s| s.application.avg_invocation_rate_per_minute,
    ),
    feature(("app_is_bursty", "1"), (0.0, 1.0), "whether the application's load is bursty", |s| {
        flag(s.application.is_bursty)
    }),
    feature(("request_bytes", "B"), (0.0, 1e9), "bytes of a request", |s| s.request_bytes),
    feature(("response_bytes", "B"), (0.0, 1e9), "bytes of an answer", |s| s.response_bytes),
    feature(
        ("cpu_share", "1"),
        (0.0, 1.0),
        "share of a run at full speed that waits for the processor",
        |s| s.cpu_share,
    ),
];
