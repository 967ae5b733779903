//! The operational layer: forecasts the load of a function.

use std::{fmt, sync::Arc};

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::{Catalogue, FaultKind, UtcTime};
use strata_policy::operational::{
    self, CallHistory, Decoder, Encoder, MAX_STEP_VALUE, Observation, STEP_SECONDS, Step,
    WINDOW_STEPS,
};
use strata_runtime::Manifest;
use strata_wire::{
    Fault, Forecasting, Violations, calls_from_pb, memory_from_pb, pb, time_from_pb,
};
use tracing::Span;

use super::{
    Adapter, RowInputs,
    schema::{self, ModelMismatch},
};

/// Two forecasts of a rate agree when they differ by at most the first number times the greater
/// one, or by at most the second number of requests per second: no one would provision differently
/// for less.
const SAME_RATE: (f64, f64) = (0.1, 0.1);
/// Two forecasts of memory or CPU use agree when they differ by at most this: a fifth of the
/// headroom that autoscalers commonly keep.
const SAME_SHARE: f64 = 0.05;

/// The operational layer.
#[derive(Debug)]
pub(crate) struct Operational {
    encoder: Encoder,
    decoder: Decoder,
    forecast: usize,
    /// The index of the output with the bounds, and its decoder; not every model has this output.
    upper: Option<(usize, Decoder)>,
}

impl Adapter for Operational {
    type Hop = Forecasting;
    type Context = ();

    fn for_model(manifest: &Manifest, _: &Arc<Catalogue>) -> Result<Self, ModelMismatch> {
        let features = schema::features(manifest, operational::INPUT, &[WINDOW_STEPS])?;
        let forecast = schema::output(manifest, operational::OUTPUT, operational::LABELS.len())?;
        let decoder = |position: usize, output: &'static str| {
            Decoder::resolve(&manifest.outputs[position].labels)
                .map_err(|label| ModelMismatch::Label { output, label })
        };
        let upper = match manifest.outputs.iter().any(|o| o.name == operational::UPPER) {
            true => {
                let labels = operational::LABELS.len();
                let position = schema::output(manifest, operational::UPPER, labels)?;
                Some((position, decoder(position, operational::UPPER)?))
            }
            false => None,
        };
        Ok(Self {
            encoder: Encoder::resolve(features)
                .map_err(|source| ModelMismatch::Features { input: operational::INPUT, source })?,
            decoder: decoder(forecast, operational::OUTPUT)?,
            forecast,
            upper,
        })
    }

    fn encode(&self, request: pb::ForecastRequest, rows: &mut RowInputs) -> Result<(), Fault> {
        let mut violations = Violations::new();
        let at = match &request.at {
            Some(at) => time_from_pb(at, "at", &mut violations),
            None => {
                violations.add("at", "must be given");
                None
            }
        };
        let memory_mb = memory_from_pb(request.memory_mb, "memory_mb", &mut violations);
        let observed_mb = match request.observed_memory_mb {
            0 => memory_mb,
            megabytes => memory_from_pb(megabytes, "observed_memory_mb", &mut violations),
        };
        let kept = request.keep_alive_minutes;
        let keep_alive_minutes = violations.positive("keep_alive_minutes", kept, f64::MAX);
        let window = window_from_pb(&request.steps, at, &mut violations);
        let calls = history_from_pb(request.calls.as_ref(), &mut violations);
        let Some(window) = window.filter(|_| violations.is_empty()) else {
            return Err(violations.into_fault());
        };
        let re_expressed = |step: Step| step.re_expressed(observed_mb, memory_mb);
        let window = window.map(re_expressed);
        let calls = CallHistory { busy: calls.busy.map(re_expressed), ..calls };
        let observation = Observation { window: &window, calls, keep_alive_minutes };
        self.encoder.encode(&observation, &mut rows.buffers[0]);
        Ok(())
    }

    fn decode(
        &self,
        (): &(),
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::ForecastResponse, Fault> {
        let decoded = |decoder: &Decoder, output: usize| {
            decoder
                .decode(outputs[output])
                .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave too few numbers"))
        };
        let forecast = decoded(&self.decoder, self.forecast)?;
        let upper = match &self.upper {
            Some((output, decoder)) => Some(decoded(decoder, *output)?),
            None => None,
        };
        Ok(pb::ForecastResponse {
            forecast: Some(pb::Forecast {
                request_rate: forecast.request_rate,
                memory_util: forecast.memory_util,
                cpu_util: forecast.cpu_util,
                memory_headroom: 1.0 - forecast.memory_util,
                cpu_headroom: 1.0 - forecast.cpu_util,
                concurrency: 0.0,
                request_rate_upper: upper.map(|u| u.request_rate.max(forecast.request_rate)),
                memory_util_upper: upper.map(|u| u.memory_util.max(forecast.memory_util)),
                cpu_util_upper: upper.map(|u| u.cpu_util.max(forecast.cpu_util)),
            }),
            inference: Some(inference),
        })
    }

    fn scores(&self, outputs: &[&[f32]]) -> Vec<f32> {
        // The order of the decoder, because the order of the outputs may differ between versions.
        self.decoder.decode(outputs[self.forecast]).map_or_else(Vec::new, |forecast| {
            let numbers = [forecast.request_rate, forecast.memory_util, forecast.cpu_util];
            numbers.map(|number| number as f32).to_vec()
        })
    }

    fn agree(one: &pb::ForecastResponse, other: &pb::ForecastResponse) -> bool {
        let (Some(one), Some(other)) = (&one.forecast, &other.forecast) else { return false };
        let rate = one.request_rate.max(other.request_rate);
        let rate_within = (SAME_RATE.0 * rate).max(SAME_RATE.1);
        (one.request_rate - other.request_rate).abs() <= rate_within
            && (one.memory_util - other.memory_util).abs() <= SAME_SHARE
            && (one.cpu_util - other.cpu_util).abs() <= SAME_SHARE
    }

    fn span() -> Span {
        tracing::info_span!(target: TRACE_TARGET, "operational.forecast", otel.kind = "server")
    }
}

/// The call history in a message.
fn history_from_pb(calls: Option<&pb::CallHistory>, violations: &mut Violations) -> CallHistory {
    let Some(calls) = calls else { return CallHistory::default() };
    let (idle_seconds, gaps) = calls_from_pb(calls, "calls", violations);
    let busy = calls.busy.as_ref().map(|step| step_from_pb(step, "calls.busy", violations));
    let mut seconds = |name: &str, value: Option<f64>| {
        violations.optional_number(format_args!("calls.{name}"), value, 0.0..=f64::MAX)
    };
    CallHistory {
        idle_seconds,
        gaps,
        busy,
        run_seconds: seconds("run_seconds", calls.run_seconds),
        long_run_seconds: seconds("long_run_seconds", calls.long_run_seconds),
    }
}

/// The step in the message at path `field`. Its hour is not set.
fn step_from_pb(
    step: &pb::TelemetryStep,
    field: impl fmt::Display,
    violations: &mut Violations,
) -> Step {
    let mut number = |name: &str, value: f64, max: f64| {
        violations.number(format_args!("{field}.{name}"), value, 0.0..=max)
    };
    Step {
        request_rate: number("request_rate", step.request_rate, MAX_STEP_VALUE),
        memory_util: number("memory_util", step.memory_util, 1.0),
        cpu_util: number("cpu_util", step.cpu_util, 1.0),
        queue_depth: number("queue_depth", step.queue_depth, MAX_STEP_VALUE),
        hour_sin: 0.0,
    }
}

/// The steps in a message; the last step ends at `at`.
fn window_from_pb(
    steps: &[pb::TelemetryStep],
    at: Option<UtcTime>,
    violations: &mut Violations,
) -> Option<[Step; WINDOW_STEPS]> {
    let Ok(steps) = <&[pb::TelemetryStep; WINDOW_STEPS]>::try_from(steps) else {
        violations.add("steps", format_args!("must be {WINDOW_STEPS}, are {}", steps.len()));
        return None;
    };
    let mut window = [Step::default(); WINDOW_STEPS];
    for (index, (step, from)) in window.iter_mut().zip(steps).enumerate() {
        let age = STEP_SECONDS * (WINDOW_STEPS - 1 - index) as i64;
        *step = Step {
            hour_sin: at.map_or(0.0, |at| at.plus_seconds(-age).hour_sin()),
            ..step_from_pb(from, format_args!("steps[{index}]"), violations)
        };
    }
    Some(window)
}
