//! The adapters: encoding of requests, decoding of answers and checks of manifests.
#![allow(clippy::unwrap_used)]

pub(crate) mod scorer;

use strata_domain::{
    ApplicationFacts, FunctionFacts, GramsCo2e, Megabytes, MemoryTier, Millis, Objective,
    Placement, Provider, Region, Usd, UtcTime, Weights,
};
use strata_runtime::Manifest;
use strata_wire::{facts_to_pb, pb};

use super::{Adapter, Operational, RowInputs, Strategic, Tactical};

/// Facts in which every field has a distinct value.
pub(crate) fn facts() -> pb::FunctionFacts {
    facts_to_pb(&FunctionFacts {
        at: UtcTime::from_unix_seconds(1_563_197_400),
        invocation_rate_per_minute: 30.0,
        inter_arrival: Millis::new(2000.0),
        idle_seconds: Some(90.0),
        recent_gaps: [60.0, 120.0].into_iter().collect(),
        duration: Millis::new(120.0),
        avg_duration: Millis::new(100.0),
        std_duration: Millis::new(25.0),
        memory: Megabytes::new(170.0),
        avg_cost: Usd::new(2e-6),
        avg_carbon: GramsCo2e::new(1e-4),
        cold_start_rate: 0.02,
        application: ApplicationFacts {
            cold_start_rate: 0.05,
            sla_violation_rate: 0.01,
            avg_invocation_rate_per_minute: 40.0,
            is_bursty: true,
        },
        current: Some(Placement {
            provider: Provider::Gcp,
            region: Region::EuWest,
            memory: MemoryTier::Mb512,
        }),
        home: Region::EuWest,
        data_provider: Some(Provider::Azure),
        request_bytes: 700.0,
        response_bytes: 3000.0,
        cpu_share: 0.8,
        objective: Objective {
            weights: Weights::new(1.0, 3.0, 0.0).unwrap(),
            sla_ms: 400.0,
            sla_penalty: 3.5,
        },
        expected: None,
    })
}

const HEAD: &str = "
version: 1
graph:
  file: model.onnx
  opset: 17
  sha256: 0000000000000000000000000000000000000000000000000000000000000000
";

fn manifest(text: &str) -> Manifest {
    Manifest::parse(&format!("{HEAD}{text}")).unwrap()
}

/// The input of a model that has one, with these values in it.
fn sole(values: &[f32]) -> RowInputs {
    RowInputs { buffers: vec![values.to_vec()], extents: Vec::new() }
}

fn strategic(features: &str, width: usize) -> Manifest {
    manifest(&format!(
        "name: strategic
inputs: [{{ name: state, shape: [batch, {width}], dtype: f32, features: [{features}] }}]
outputs: [{{ name: q_values, shape: [batch, 3], labels: [aws, azure, gcp] }}]"
    ))
}

fn two_features() -> Manifest {
    strategic("{ name: hour, unit: h }, { name: memory_mb, unit: MB }", 2)
}

fn tactical() -> Manifest {
    let labels: Vec<_> = (0..24).map(|action| format!("a{action}")).collect();
    manifest(&format!(
        "name: tactical
inputs:
- name: state
  shape: [batch, 1]
  dtype: f32
  features: [{{ name: provider_gcp, unit: '1' }}]
outputs:
- {{ name: value, shape: [batch, 1], labels: [value] }}
- {{ name: logits, shape: [batch, 24], labels: [{}] }}",
        labels.join(", ")
    ))
}

fn operational() -> Manifest {
    manifest(
        "name: operational
inputs:
- name: window
  shape: [batch, 12, 3]
  dtype: f32
  features:
  - { name: hour_sin, unit: '1' }
  - { name: memory_util, unit: '1' }
  - { name: request_rate, unit: 1/s }
outputs: [{ name: forecast, shape: [batch, 3], labels: [cpu_util, request_rate, memory_util] }]",
    )
}

#[test]
fn strategic_rows_follow_the_manifest_and_answers_the_mask() {
    let layer = Strategic::for_model(&two_features()).unwrap();
    let request = pb::SelectRequest {
        facts: Some(facts().into()),
        provider_mask: Some(0b101),
        explain: true,
        ..Default::default()
    };
    let mut rows = sole(&[7.0]);
    let question = layer.encode(request, &mut rows).unwrap();
    assert_eq!(rows.buffers, [[7.0, 13.0, 170.0]]);
    let answer = layer.decode(&question, &[&[0.1, 0.9, 0.5]], pb::Inference::default()).unwrap();
    assert_eq!(answer.provider(), pb::Provider::Gcp);
    assert_eq!(answer.q_values, [0.1, 0.9, 0.5]);
}

#[test]
fn a_bad_question_leaves_the_input_as_it_was() {
    let layer = Strategic::for_model(&two_features()).unwrap();
    for bits in [0, 8, u32::MAX] {
        let request = pb::SelectRequest {
            facts: Some(facts().into()),
            provider_mask: Some(bits),
            ..Default::default()
        };
        let mut rows = sole(&[7.0]);
        let fault = layer.encode(request, &mut rows).err().unwrap();
        assert_eq!(fault.violations[0].field, "provider_mask");
        assert_eq!((rows.buffers, rows.extents), (vec![vec![7.0]], vec![]));
    }
}

#[test]
fn scores_that_are_not_asked_for_are_not_sent() {
    let layer = Strategic::for_model(&two_features()).unwrap();
    let request = pb::SelectRequest { facts: Some(facts().into()), ..Default::default() };
    let question = layer.encode(request, &mut sole(&[])).unwrap();
    let answer = layer.decode(&question, &[&[0.1, 0.9, 0.5]], pb::Inference::default()).unwrap();
    assert!(answer.q_values.is_empty());
}

#[test]
fn tactical_finds_its_outputs_by_name_and_keeps_the_provider() {
    let layer = Tactical::for_model(&tactical()).unwrap();
    let request = pb::PlaceRequest {
        facts: Some(facts().into()),
        provider: pb::Provider::Gcp.into(),
        explain: true,
        ..Default::default()
    };
    let mut rows = sole(&[]);
    let question = layer.encode(request, &mut rows).unwrap();
    assert_eq!(rows.buffers, [[1.0]]);
    let mut logits = [0.0; 24];
    logits[2 * 6 + 3] = 5.0; // eu-west-1, 1024 MB
    let answer = layer.decode(&question, &[&[0.25], &logits], pb::Inference::default()).unwrap();
    assert_eq!(answer.value, 0.25);
    let placement = answer.placement.unwrap();
    assert_eq!(
        (placement.provider(), placement.region()),
        (pb::Provider::Gcp, pb::Region::EuWest1)
    );
    assert_eq!((placement.memory_mb, placement.provider_region.as_str()), (1024, "europe-west1"));
}

#[test]
fn windows_are_re_expressed_for_the_placement_and_timed_backwards() {
    let layer = Operational::for_model(&operational()).unwrap();
    let step = pb::TelemetryStep { request_rate: 3.0, memory_util: 0.5, ..Default::default() };
    let mut request = pb::ForecastRequest {
        at: Some(prost_types::Timestamp { seconds: 6 * 3600, nanos: 0 }),
        steps: vec![step; 12],
        observed_memory_mb: 256,
        placement: facts().current, // 512 MB
        ..Default::default()
    };
    let mut rows = sole(&[]);
    layer.encode(request.clone(), &mut rows).unwrap();
    let input = &rows.buffers[0];
    assert_eq!(input.len(), 12 * 3);
    assert_eq!(input[33..], [1.0, 0.25, 3.0]);
    let eleven_steps_before = (std::f64::consts::TAU * (6.0 * 3600.0 - 165.0) / 86_400.0).sin();
    assert_eq!(input[0], eleven_steps_before as f32);

    let answer = layer.decode(&(), &[&[0.2, 4.0, 0.75]], pb::Inference::default()).unwrap();
    let forecast = answer.forecast.unwrap();
    assert_eq!((forecast.request_rate, forecast.cpu_headroom), (4.0, 1.0 - f64::from(0.2f32)));
    assert_eq!(forecast.memory_headroom, 0.25);

    request.steps[3].cpu_util = f64::NAN;
    request.observed_memory_mb = 300;
    let fault = layer.encode(request, &mut rows).unwrap_err();
    let fields: Vec<_> = fault.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["observed_memory_mb", "steps[3].cpu_util"]);
}

#[test]
fn a_window_of_another_length_is_refused() {
    let layer = Operational::for_model(&operational()).unwrap();
    let steps = vec![pb::TelemetryStep::default(); 11];
    let request = pb::ForecastRequest { steps, ..Default::default() };
    let fault = layer.encode(request, &mut sole(&[])).unwrap_err();
    let fields: Vec<_> = fault.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["at", "placement", "steps"]);
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_both_sides() {
    let refusal = |manifest: &Manifest| Strategic::for_model(manifest).unwrap_err().to_string();
    let wide = strategic("{ name: hour, unit: h }", 1);
    let mut other_output = wide.clone();
    other_output.outputs[0].name = "scores".to_owned();
    assert!(refusal(&other_output).contains("`q_values` of 3 numbers"));
    assert!(refusal(&other_output).contains("scores [batch, 3]"));
    let mut other_input = wide.clone();
    other_input.inputs[0].name = "features".to_owned();
    assert!(refusal(&other_input).contains("its manifest has features"));
    let unknown = strategic("{ name: phase_of_the_moon, unit: '1' }", 1);
    let error = Strategic::for_model(&unknown).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("phase_of_the_moon"));
}
