//! The adapters: encoding of requests, decoding of answers and checks of manifests.
#![allow(clippy::unwrap_used)]

pub(crate) mod scorer;

use std::sync::{Arc, OnceLock};

use strata_domain::{
    ApplicationFacts, Candidate, Catalogue, FunctionFacts, GramsCo2e, Home, Location, Megabytes,
    Millis, Objective, Origin, Running, Usd, UtcTime, Weights,
};
use strata_runtime::Manifest;
use strata_wire::{facts_to_pb, pb};

use super::{Adapter, Operational, RowInputs, Strategic, Tactical};

/// The catalogue that versions 1 and 2 of the models choose from.
pub(crate) fn research() -> Arc<Catalogue> {
    static RESEARCH: OnceLock<Arc<Catalogue>> = OnceLock::new();
    let load = || Arc::new(strata_catalogue::built_in("research").catalogue);
    Arc::clone(RESEARCH.get_or_init(load))
}

/// On Google in Belgium, with callers in Ireland whose data is on Azure.
fn location() -> Location {
    let catalogue = research();
    let region = |provider: &str, name: &str| {
        catalogue.find_region(catalogue.find_provider(provider).unwrap(), name)
    };
    let current = Running {
        platform: catalogue.find_platform("gcp-functions-gen1").unwrap(),
        region: region("gcp", "europe-west1"),
        memory_mb: 512,
    };
    let callers = Origin::Area(catalogue.find_area("eu-west").unwrap());
    let data = region("azure", "northeurope");
    Location { current: Some(current), home: Home { callers, data } }
}

/// Facts in which every field has a distinct value.
pub(crate) fn facts() -> pb::FunctionFacts {
    let facts = FunctionFacts {
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
        request_bytes: 700.0,
        response_bytes: 3000.0,
        cpu_share: 0.8,
        objective: Objective {
            weights: Weights::new(1.0, 3.0, 0.0).unwrap(),
            sla_ms: 400.0,
            sla_penalty: 3.5,
        },
    };
    facts_to_pb(&research(), &facts, &location())
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

const AZURE: &str = "azure-functions-consumption";
const GCP: &str = "gcp-functions-gen1";

/// Platforms, and whether each may be chosen.
fn platforms(named: &[(&str, bool)]) -> pb::PlatformCandidates {
    pb::PlatformCandidates {
        platforms: named.iter().map(|(name, _)| (*name).to_owned()).collect(),
        table: Some(pb::CandidateTable {
            allowed: named.iter().map(|(_, allowed)| *allowed).collect(),
            values: vec![0.5; Candidate::WIDTH * named.len()],
        }),
    }
}

#[test]
fn strategic_rows_follow_the_manifest_and_answers_what_is_allowed() {
    let layer = Strategic::for_model(&two_features(), &research()).unwrap();
    let request = pb::SelectRequest {
        facts: Some(facts().into()),
        candidates: Some(platforms(&[("aws-lambda", true), (AZURE, false), (GCP, true)]).into()),
        explain: true,
        ..Default::default()
    };
    let mut rows = sole(&[7.0]);
    let question = layer.encode(request, &mut rows).unwrap();
    assert_eq!(rows.buffers, [[7.0, 13.0, 170.0]]);
    let answer = layer.decode(&question, &[&[0.1, 0.9, 0.5]], pb::Inference::default()).unwrap();
    assert_eq!((answer.platform.as_str(), answer.q_values), (GCP, vec![0.1, 0.9, 0.5]));
    assert_eq!(answer.labels, ["aws-lambda", AZURE, GCP]);
}

#[test]
fn a_bad_question_leaves_the_input_as_it_was() {
    let layer = Strategic::for_model(&two_features(), &research()).unwrap();
    for (bad, field) in [
        (platforms(&[]), "candidates.platforms"),
        (platforms(&[("aws-lambda", false)]), "candidates.table.allowed"),
        (platforms(&[("fly", true)]), "candidates.platforms"),
    ] {
        let request = pb::SelectRequest {
            facts: Some(facts().into()),
            candidates: Some(bad.into()),
            ..Default::default()
        };
        let mut rows = sole(&[7.0]);
        let fault = layer.encode(request, &mut rows).err().unwrap();
        assert_eq!(fault.violations[0].field, field);
        assert_eq!((rows.buffers, rows.extents), (vec![vec![7.0]], vec![]));
    }
}

#[test]
fn scores_that_are_not_asked_for_are_not_sent() {
    let layer = Strategic::for_model(&two_features(), &research()).unwrap();
    let request = pb::SelectRequest { facts: Some(facts().into()), ..Default::default() };
    let question = layer.encode(request, &mut sole(&[])).unwrap();
    let answer = layer.decode(&question, &[&[0.1, 0.9, 0.5]], pb::Inference::default()).unwrap();
    assert!(answer.q_values.is_empty());
}

#[test]
fn tactical_finds_its_outputs_by_name_and_keeps_the_provider() {
    let layer = Tactical::for_model(&tactical(), &research()).unwrap();
    let request = pb::PlaceRequest {
        facts: Some(facts().into()),
        platform: GCP.to_owned(),
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
    assert_eq!((placement.platform.as_str(), placement.region.as_str()), (GCP, "europe-west1"));
    assert_eq!((placement.memory_mb, answer.labels[15].as_str()), (1024, "europe-west1/1024"));
}

/// Placements of GCP in Belgium and one in Virginia, and whether each may be chosen.
fn placements() -> pb::PlacementCandidates {
    let known = |expected_objective, is_current| Candidate {
        expected_objective,
        is_current,
        ..Candidate::default()
    };
    let listed = [known(0.5, true), known(0.75, false), known(0.25, false)];
    pb::PlacementCandidates {
        regions: vec!["europe-west1".to_owned(), "us-east4".to_owned()],
        region: vec![0, 0, 1],
        memory_mb: vec![512, 1024, 512],
        table: Some(pb::CandidateTable {
            allowed: vec![true, false, true],
            values: listed.iter().flat_map(Candidate::values).collect(),
        }),
    }
}

#[test]
fn a_model_of_the_research_framework_keeps_to_what_is_listed() {
    let layer = Tactical::for_model(&tactical(), &research()).unwrap();
    let request = pb::PlaceRequest {
        facts: Some(facts().into()),
        platform: GCP.to_owned(),
        candidates: Some(placements().into()),
        ..Default::default()
    };
    let question = layer.encode(request.clone(), &mut sole(&[])).unwrap();
    let mut logits = [9.0; 24];
    logits[2 * 6 + 2] = 3.0; // europe-west1, 512 MB
    logits[2] = 4.0; // us-east4, 512 MB
    let answer = layer.decode(&question, &[&[0.0], &logits], pb::Inference::default()).unwrap();
    let placement = answer.placement.unwrap();
    assert_eq!((placement.region.as_str(), placement.memory_mb), ("us-east4", 512));
    let elsewhere = pb::PlaceRequest { platform: "fly".to_owned(), ..request };
    let fault = layer.encode(elsewhere, &mut sole(&[])).err().unwrap();
    assert_eq!(fault.violations[0].field, "platform");
}

fn scoring() -> Manifest {
    manifest(
        "name: tactical
axis: { name: candidates, max: 4096, mask: mask }
inputs:
- { name: mask, shape: [batch, candidates], dtype: f32, features: [{ name: allowed, unit: '1' }] }
- { name: state, shape: [batch, 1], dtype: f32, features: [{ name: memory_mb, unit: MB }] }
- name: candidates
  shape: [batch, candidates, 2]
  dtype: f32
  features: [{ name: is_current, unit: '1' }, { name: expected_objective, unit: '1' }]
outputs:
- { name: value, shape: [batch, 1], labels: [value] }
- { name: logits, shape: [batch, candidates], labels: [logit] }",
    )
}

#[test]
fn a_model_that_scores_candidates_gets_a_position_for_each() {
    let layer = Tactical::for_model(&scoring(), &research()).unwrap();
    let request = pb::PlaceRequest {
        facts: Some(facts().into()),
        // No name of the catalogue is needed: the request lists what to choose from.
        platform: "own-cluster".to_owned(),
        candidates: Some(placements().into()),
        explain: true,
        ..Default::default()
    };
    let mut rows = RowInputs::of(&scoring());
    let question = layer.encode(request, &mut rows).unwrap();
    assert_eq!(rows.extents, [3]);
    assert_eq!(rows.buffers[0], [1.0, 0.0, 1.0]);
    assert_eq!(rows.buffers[1], [170.0]);
    assert_eq!(rows.buffers[2], [1.0, 0.5, 0.0, 0.75, 0.0, 0.25]);
    let outputs: [&[f32]; 2] = [&[0.0], &[1.0, 5.0, 2.0]];
    let answer = layer.decode(&question, &outputs, pb::Inference::default()).unwrap();
    let placement = answer.placement.unwrap();
    assert_eq!(
        (placement.platform.as_str(), placement.region.as_str()),
        ("own-cluster", "us-east4")
    );
    assert_eq!(answer.labels, ["europe-west1/512", "europe-west1/1024", "us-east4/512"]);
}

#[test]
fn without_a_list_the_whole_catalogue_of_the_layer_is_scored() {
    let layer = Tactical::for_model(&scoring(), &research()).unwrap();
    let request = pb::PlaceRequest {
        facts: Some(facts().into()),
        platform: GCP.to_owned(),
        ..Default::default()
    };
    let mut rows = RowInputs::of(&scoring());
    layer.encode(request, &mut rows).unwrap();
    assert_eq!(rows.extents, [24]);
    // 170 MB do not fit into 128 MB.
    assert_eq!(rows.buffers[0][..3], [0.0, 1.0, 1.0]);
    let current: f32 = rows.buffers[2].iter().step_by(2).sum();
    assert_eq!(current, 1.0);
}

#[test]
fn windows_are_re_expressed_for_the_placement_and_timed_backwards() {
    let layer = Operational::for_model(&operational(), &research()).unwrap();
    let step = pb::TelemetryStep { request_rate: 3.0, memory_util: 0.5, ..Default::default() };
    let mut request = pb::ForecastRequest {
        at: Some(prost_types::Timestamp { seconds: 6 * 3600, nanos: 0 }),
        steps: vec![step; 12],
        observed_memory_mb: 256,
        memory_mb: 512,
        keep_alive_minutes: 7.0,
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
    request.observed_memory_mb = 1 << 21;
    let fault = layer.encode(request, &mut rows).unwrap_err();
    let fields: Vec<_> = fault.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["observed_memory_mb", "steps[3].cpu_util"]);
}

#[test]
fn a_window_of_another_length_is_refused() {
    let layer = Operational::for_model(&operational(), &research()).unwrap();
    let steps = vec![pb::TelemetryStep::default(); 11];
    let request = pb::ForecastRequest { steps, ..Default::default() };
    let fault = layer.encode(request, &mut sole(&[])).unwrap_err();
    let fields: Vec<_> = fault.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["at", "memory_mb", "keep_alive_minutes", "steps"]);
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_both_sides() {
    let refusal =
        |manifest: &Manifest| Strategic::for_model(manifest, &research()).unwrap_err().to_string();
    let wide = strategic("{ name: hour, unit: h }", 1);
    let mut other_output = wide.clone();
    other_output.outputs[0].name = "scores".to_owned();
    assert!(refusal(&other_output).contains("`q_values` of 3 numbers"));
    assert!(refusal(&other_output).contains("scores [batch, 3]"));
    let mut other_input = wide.clone();
    other_input.inputs[0].name = "features".to_owned();
    assert!(refusal(&other_input).contains("its manifest has features"));
    let unknown = strategic("{ name: phase_of_the_moon, unit: '1' }", 1);
    let error = Strategic::for_model(&unknown, &research()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("phase_of_the_moon"));
}
