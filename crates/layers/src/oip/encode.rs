//! Encodes the model's outputs into an answer.

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

/// The indices in the manifest of the outputs that a request asks for, in its order and each once;
/// all outputs if it names none.
///
/// # Errors
/// `InvalidArgument` for an output that the model does not have, `Unimplemented` and `NotFound` for
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

/// The form of an answer.
pub(super) struct Form {
    /// The id of the request.
    pub(super) id: String,
    /// The indices of the outputs to return.
    pub(super) outputs: Vec<usize>,
    /// The number of positions of every row, if the model has an axis.
    pub(super) extent: Option<usize>,
    /// Whether values travel as raw bytes.
    pub(super) raw: bool,
}

/// Encodes all rows of an inference, with the names of the outputs and the version.
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
            shape: std::iter::once(rows).chain(dims(&output.shape, form.extent)).collect(),
            contents,
            ..Default::default()
        });
    }
    response
}

/// Marks the last answer to a request on a stream, for a client that asked for the mark.
pub(super) fn mark_final(response: &mut ModelInferResponse) {
    let value = strata_wire::oip::InferParameter {
        parameter_choice: Some(ParameterChoice::BoolParam(true)),
    };
    response.parameters.insert("triton_final_response".to_owned(), value);
}
