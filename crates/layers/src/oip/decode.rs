//! Decodes a request into rows of the model.

use std::{collections::HashMap, mem};

use strata_domain::FaultKind;
use strata_runtime::{Input, Manifest};
use strata_wire::{
    Fault,
    oip::{InferParameter, ModelInferRequest, model_infer_request::InferInputTensor},
};

use super::{
    quoted,
    tensor::{self, Datatype},
};

/// The rows of a request.
#[derive(Debug, PartialEq)]
pub(super) struct Rows {
    /// Number of rows.
    pub(super) count: usize,
    /// One row-major buffer for each input of the manifest, in its order.
    pub(super) inputs: Vec<Vec<f32>>,
    /// Whether the values came as raw bytes; the answer then uses raw bytes as well.
    pub(super) raw: bool,
}

pub(super) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::InvalidArgument, message)
}

/// Takes the inputs out of a request, at most `max_batch` rows for the model of `manifest`.
///
/// # Errors
/// `InvalidArgument` when names, datatypes, shapes or values do not match the model; `NotFound` for
/// shared memory.
pub(super) fn rows(
    manifest: &Manifest,
    max_batch: usize,
    request: &mut ModelInferRequest,
) -> Result<Rows, Fault> {
    let mut tensors = mem::take(&mut request.inputs);
    let bytes = mem::take(&mut request.raw_input_contents);
    let raw = !bytes.is_empty();
    if tensors.len() != manifest.inputs.len() {
        let (wanted, name, found) = (manifest.inputs.len(), &manifest.name, tensors.len());
        return Err(invalid(format!("expected {wanted} inputs for model `{name}`, got {found}")));
    }
    if raw && bytes.len() != tensors.len() {
        let (found, wanted) = (bytes.len(), tensors.len());
        return Err(invalid(format!("raw_input_contents has {found} entries for {wanted} inputs")));
    }
    let mut count = None;
    let mut inputs = Vec::with_capacity(tensors.len());
    for input in &manifest.inputs {
        // There are as many tensors as inputs, so a duplicate tensor leaves another input without
        // one.
        let index = tensors.iter().position(|tensor| tensor.name == input.name);
        let index = index.ok_or_else(|| missing(input, manifest, &tensors))?;
        let tensor = mem::take(&mut tensors[index]);
        let rows = checked(input, &tensor, max_batch)?;
        if *count.get_or_insert(rows) != rows {
            return Err(invalid("every input must have the same number of rows"));
        }
        inputs.push(values(input, tensor, bytes.get(index).map(AsRef::as_ref))?);
    }
    let count = count.ok_or_else(|| invalid("the model has no inputs"))?;
    Ok(Rows { count, inputs, raw })
}

fn missing(input: &Input, manifest: &Manifest, tensors: &[InferInputTensor]) -> Fault {
    let unknown = |tensor: &&InferInputTensor| {
        !manifest.inputs.iter().any(|input| input.name == tensor.name) && !tensor.name.is_empty()
    };
    let model = &manifest.name;
    match tensors.iter().find(unknown) {
        Some(tensor) => invalid(format!(
            "unexpected inference input {} for model `{model}`; it takes `{}`",
            quoted(&tensor.name),
            input.name
        )),
        None => invalid(format!("input `{}` of model `{model}` is missing", input.name)),
    }
}

/// The number of rows of a tensor, after a check of its shape.
fn checked(input: &Input, tensor: &InferInputTensor, max_batch: usize) -> Result<usize, Fault> {
    no_shared_memory(&tensor.parameters)?;
    let dims = input.shape.row();
    let fits = tensor.shape.len() == dims.len() + 1
        && tensor.shape[1..].iter().zip(dims).all(|(dim, want)| usize::try_from(*dim) == Ok(*want));
    if !fits {
        return Err(invalid(format!(
            "unexpected shape for input `{}`: expected {}, got {}",
            input.name,
            shown(&expected(dims)),
            shown(&tensor.shape)
        )));
    }
    match usize::try_from(tensor.shape[0]) {
        Ok(rows) if (1..=max_batch).contains(&rows) => Ok(rows),
        _ => Err(invalid(format!(
            "the batch size of input `{}` must be 1 to {max_batch}, is {}",
            input.name, tensor.shape[0]
        ))),
    }
}

/// The values of a tensor whose shape was checked.
fn values(input: &Input, tensor: InferInputTensor, raw: Option<&[u8]>) -> Result<Vec<f32>, Fault> {
    let name = &input.name;
    let datatype = Datatype::named(&tensor.datatype).ok_or_else(|| {
        let found = quoted(&tensor.datatype);
        invalid(format!(
            "unexpected datatype {found} for input `{name}`: it takes FP32, and FP64 and FP16 to \
             be converted"
        ))
    })?;
    let dims = tensor.shape.iter().map(|dim| usize::try_from(*dim).unwrap_or(0));
    let count = dims.fold(1, usize::saturating_mul);
    let contents = tensor.contents.unwrap_or_default();
    let read = match raw {
        None => tensor::from_contents(datatype, contents, count),
        Some(_) if tensor::values(&contents) > 0 => {
            Err("must not have contents beside raw_input_contents".to_owned())
        }
        Some(bytes) => tensor::from_raw(datatype, bytes, count),
    };
    read.map_err(|refusal| invalid(format!("input `{name}` {refusal}")))
}

/// Refuses a tensor in shared memory, which only a process on the same machine can reach.
pub(super) fn no_shared_memory(parameters: &HashMap<String, InferParameter>) -> Result<(), Fault> {
    match parameters.contains_key("shared_memory_region") {
        false => Ok(()),
        true => Err(Fault::new(
            FaultKind::NotFound,
            "shared memory is not served; send and receive values in the messages",
        )),
    }
}

/// The shape in the notation of the protocol: -1 for the batch, then the dimensions of a row.
pub(super) fn expected(row: &[usize]) -> Vec<i64> {
    std::iter::once(-1).chain(dims(row)).collect()
}

/// The dimensions of a row in the integer type of the protocol.
pub(super) fn dims(row: &[usize]) -> impl Iterator<Item = i64> {
    row.iter().map(|dim| i64::try_from(*dim).unwrap_or(i64::MAX))
}

/// A shape for an error message, cut to a bounded length: the shape comes from the client.
fn shown(shape: &[i64]) -> String {
    const MOST: usize = 8;
    let dims: Vec<_> = shape.iter().take(MOST).map(i64::to_string).collect();
    let more = if shape.len() > MOST { ",..." } else { "" };
    format!("[{}{more}]", dims.join(","))
}
