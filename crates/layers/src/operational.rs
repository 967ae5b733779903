//! The operational layer: what will the function need next?

use strata_chassis::trace::TRACE_TARGET;
use strata_domain::{FaultKind, UtcTime};
use strata_policy::operational::{
    self, Decoder, Encoder, MAX_STEP_VALUE, STEP_SECONDS, Step, WINDOW_STEPS,
};
use strata_runtime::Manifest;
use strata_wire::{Fault, Violations, memory_from_pb, pb, placement_from_pb, time_from_pb};
use tracing::Span;

use crate::{
    adapter::{self, Adapter, ModelMismatch},
    served::served,
};

/// The operational layer.
#[derive(Debug)]
pub(crate) struct Operational {
    encoder: Encoder,
    decoder: Decoder,
    forecast: usize,
}

impl Adapter for Operational {
    const NAME: &'static str = "operational";
    type Request = pb::ForecastRequest;
    type Response = pb::ForecastResponse;
    type Question = ();

    fn for_model(manifest: &Manifest) -> Result<Self, ModelMismatch> {
        let features = adapter::features(manifest, operational::INPUT, &[WINDOW_STEPS])?;
        let forecast = adapter::output(manifest, operational::OUTPUT, operational::LABELS.len())?;
        let labels = &manifest.outputs[forecast].labels;
        Ok(Self {
            encoder: Encoder::resolve(features)
                .map_err(|source| ModelMismatch::Features { input: operational::INPUT, source })?,
            decoder: Decoder::resolve(labels)
                .map_err(|label| ModelMismatch::Label { output: operational::OUTPUT, label })?,
            forecast,
        })
    }

    fn read(&self, request: pb::ForecastRequest, input: &mut Vec<f32>) -> Result<(), Fault> {
        let mut violations = Violations::new();
        let at = match &request.at {
            Some(at) => time_from_pb(at, "at", &mut violations),
            None => {
                violations.add("at", "must be given");
                None
            }
        };
        let placement = match &request.placement {
            Some(placement) => placement_from_pb(placement, "placement", &mut violations),
            None => {
                violations.add("placement", "must be given");
                None
            }
        };
        let observed = match request.observed_memory_mb {
            0 => placement.map(|placement| placement.memory),
            megabytes => memory_from_pb(megabytes, "observed_memory_mb", &mut violations),
        };
        let window = window_from_pb(&request.steps, at, &mut violations);
        let (placement, observed, window) = match (placement, observed, window) {
            (Some(placement), Some(observed), Some(window)) if violations.is_empty() => {
                (placement, observed, window)
            }
            _ => return Err(violations.into_fault()),
        };
        let window = window.map(|step| step.re_expressed(observed, placement.memory));
        self.encoder.encode(&window, input);
        Ok(())
    }

    fn answer(
        &self,
        (): &(),
        outputs: &[&[f32]],
        inference: pb::Inference,
    ) -> Result<pb::ForecastResponse, Fault> {
        let forecast = self
            .decoder
            .decode(outputs[self.forecast])
            .ok_or_else(|| Fault::new(FaultKind::Internal, "the model gave too few numbers"))?;
        Ok(pb::ForecastResponse {
            forecast: Some(pb::Forecast {
                request_rate: forecast.request_rate,
                memory_util: forecast.memory_util,
                cpu_util: forecast.cpu_util,
                memory_headroom: 1.0 - forecast.memory_util,
                cpu_headroom: 1.0 - forecast.cpu_util,
                concurrency: 0.0,
            }),
            inference: Some(inference),
        })
    }

    fn span() -> Span {
        tracing::info_span!(target: TRACE_TARGET, "operational.forecast", otel.kind = "server")
    }
}

/// The steps of a message, the last of which ends at `at`.
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
        let mut number = |name: &str, value: f64, max: f64| {
            violations.number(format_args!("steps[{index}].{name}"), value, 0.0..=max)
        };
        let age = STEP_SECONDS * (WINDOW_STEPS - 1 - index) as i64;
        *step = Step {
            request_rate: number("request_rate", from.request_rate, MAX_STEP_VALUE),
            memory_util: number("memory_util", from.memory_util, 1.0),
            cpu_util: number("cpu_util", from.cpu_util, 1.0),
            queue_depth: number("queue_depth", from.queue_depth, MAX_STEP_VALUE),
            hour_sin: at.map_or(0.0, |at| at.plus_seconds(-age).hour_sin()),
        };
    }
    Some(window)
}

served! {
    Operational: "The operational layer of Strata: what will the function need next?", env "STRATA_OPERATIONAL", ports 50053 and 9053;
    service operational_server::{Operational, OperationalServer};
    unary forecast(ForecastRequest) -> ForecastResponse;
    stream forecast_stream(ForecastFrame) -> ForecastFrameResult as ForecastStreamStream;
    rows ForecastRowResult in forecast_row_result;
}
