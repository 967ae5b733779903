//! Describes the model as the protocol and Triton do.

use strata_runtime::{Manifest, Shape};
use strata_wire::oip::{
    DataType, ModelConfig, ModelDynamicBatching, ModelInput, ModelMetadataResponse, ModelOutput,
    ServerMetadataResponse, model_config::SchedulingChoice,
    model_metadata_response::TensorMetadata,
};

use super::{
    decode::{dims, expected},
    tensor::FP32,
};

/// Triton's name for a model that ONNX Runtime runs.
const PLATFORM: &str = "onnxruntime_onnx";
const BACKEND: &str = "onnxruntime";

/// Describes the server.
pub(super) fn server(layer: &str) -> ServerMetadataResponse {
    ServerMetadataResponse {
        name: format!("strata-{layer}"),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: ["model_repository", "model_configuration", "statistics"]
            .map(str::to_owned)
            .into(),
    }
}

/// Describes the inputs and outputs of a model; `loaded` are its loaded versions.
pub(super) fn model(manifest: &Manifest, loaded: &[u32]) -> ModelMetadataResponse {
    let tensor = |name: &str, shape: &Shape| TensorMetadata {
        name: name.to_owned(),
        datatype: FP32.to_owned(),
        shape: expected(shape),
    };
    ModelMetadataResponse {
        name: manifest.name.clone(),
        versions: loaded.iter().map(u32::to_string).collect(),
        platform: PLATFORM.to_owned(),
        inputs: manifest.inputs.iter().map(|input| tensor(&input.name, &input.shape)).collect(),
        outputs: manifest
            .outputs
            .iter()
            .map(|output| tensor(&output.name, &output.shape))
            .collect(),
    }
}

/// Describes the configuration of a model.
pub(super) fn config(manifest: &Manifest, max_batch: usize) -> ModelConfig {
    let data_type = DataType::TypeFp32.into();
    let input = manifest.inputs.iter().map(|input| ModelInput {
        name: input.name.clone(),
        data_type,
        dims: dims(&input.shape, None).collect(),
    });
    let output = manifest.outputs.iter().map(|output| ModelOutput {
        name: output.name.clone(),
        data_type,
        dims: dims(&output.shape, None).collect(),
    });
    ModelConfig {
        name: manifest.name.clone(),
        platform: PLATFORM.to_owned(),
        max_batch_size: i32::try_from(max_batch).unwrap_or(i32::MAX),
        input: input.collect(),
        output: output.collect(),
        scheduling_choice: Some(SchedulingChoice::DynamicBatching(ModelDynamicBatching {})),
        backend: BACKEND.to_owned(),
    }
}
