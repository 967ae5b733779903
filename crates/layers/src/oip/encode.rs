//! From the model's outputs to an answer.

use strata_domain::FaultKind;
use strata_runtime::{Inference, Manifest};
use strata_wire::{
    Fault,
    oip::{
        InferTensorContents, ModelInferRequest, ModelInferResponse,
        infer_parameter::ParameterChoice, model_infer_response::InferOutputTensor,
    },
};

use super::{
    decode::{dims, invalid, no_shared_memory},
    quoted,
    tensor::{self, FP32},
};

/// Positions, in the manifest, of the outputs that a request asks for, in its order and each once;
/// all if it names none.
///
/// # Errors
/// `InvalidArgument` for an output the model does not have, `Unimplemented` and `NotFound` for
/// forms that are not served.
pub(super) fn asked(manifest: &Manifest, request: &ModelInferRequest) -> Result<Vec<usize>, Fault> {
    if request.outputs.is_empty() {
        return Ok((0..manifest.outputs.len()).collect());
    }
    let mut positions = Vec::new();
    for asked in &request.outputs {
        let found = manifest.outputs.iter().position(|output| output.name == asked.name);
        let position = found.ok_or_else(|| {
            let (name, model) = (quoted(&asked.name), &manifest.name);
            invalid(format!("unexpected inference output {name} for model `{model}`"))
        })?;
        no_shared_memory(&asked.parameters)?;
        if asked.parameters.contains_key("classification") {
            let message = "classification is not served; ask for the output itself";
            return Err(Fault::new(FaultKind::Unimplemented, message));
        }
        if !positions.contains(&position) {
            positions.push(position);
        }
    }
    Ok(positions)
}

/// How an answer is written.
pub(super) struct Form {
    /// The id of its request.
    pub(super) id: String,
    /// The outputs to answer with.
    pub(super) outputs: Vec<usize>,
    /// Whether values travel as bytes.
    pub(super) raw: bool,
}

/// The answer that holds all rows of an inference. It gives the names and the version, too.
pub(super) fn response(
    manifest: &Manifest,
    form: Form,
    mut inference: Inference,
) -> ModelInferResponse {
    let mut response = ModelInferResponse {
        model_name: manifest.name.clone(),
        model_version: manifest.version.to_string(),
        id: form.id,
        ..Default::default()
    };
    let rows = i64::try_from(inference.rows.len()).unwrap_or(i64::MAX);
    for position in form.outputs {
        let output = &manifest.outputs[position];
        let values = std::mem::take(&mut inference.outputs[position]);
        let contents = match form.raw {
            true => {
                response.raw_output_contents.push(tensor::to_raw(&values).into());
                None
            }
            false => Some(InferTensorContents { fp32_contents: values, ..Default::default() }),
        };
        response.outputs.push(InferOutputTensor {
            name: output.name.clone(),
            datatype: FP32.to_owned(),
            shape: std::iter::once(rows).chain(dims(output.shape.row())).collect(),
            contents,
            ..Default::default()
        });
    }
    response
}

/// Adds what a client that asked for it is told on a stream: nothing more follows for this request.
pub(super) fn mark_final(response: &mut ModelInferResponse) {
    let value = strata_wire::oip::InferParameter {
        parameter_choice: Some(ParameterChoice::BoolParam(true)),
    };
    response.parameters.insert("triton_final_response".to_owned(), value);
}
