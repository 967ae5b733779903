//! Decodes a request into rows of the model.

use std::{collections::HashMap, mem};

use strata_domain::FaultKind;
use strata_runtime::{Input, Manifest, Shape};
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
    /// The extent of each row, the same for all; empty for a model without an axis.
    pub(super) extents: Vec<usize>,
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
    let limits =
        Limits { max_batch, max_extent: manifest.axis.as_ref().map_or(1, |axis| axis.max) };
    let (mut count, mut extent) = (None, None);
    let mut inputs = Vec::with_capacity(tensors.len());
    for input in &manifest.inputs {
        // There are as many tensors as inputs, so a duplicate tensor leaves another input without
        // one.
        let index = tensors.iter().position(|tensor| tensor.name == input.name);
        let index = index.ok_or_else(|| missing(input, manifest, &tensors))?;
        let tensor = mem::take(&mut tensors[index]);
        let size = checked(input, &tensor, limits)?;
        if *count.get_or_insert(size.rows) != size.rows {
            return Err(invalid("every input must have the same number of rows"));
        }
        if let Some(own) = size.extent
            && *extent.get_or_insert(own) != own
        {
            let axis = input.shape.axis().unwrap_or_default();
            return Err(invalid(format!("every input must have the same number of `{axis}`")));
        }
        inputs.push(values(input, tensor, bytes.get(index).map(AsRef::as_ref))?);
    }
    let count = count.ok_or_else(|| invalid("the model has no inputs"))?;
    Ok(Rows { count, inputs, extents: extent.map_or_else(Vec::new, |own| vec![own; count]), raw })
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

/// The largest dimensions that a tensor may have where they are not fixed.
#[derive(Clone, Copy)]
struct Limits {
    max_batch: usize,
    max_extent: usize,
}

/// The dimensions of a tensor that are not fixed.
struct Size {
    rows: usize,
    /// The number of positions of every row, if the input is on the model's axis.
    extent: Option<usize>,
}

/// The size of a tensor, after a check of its shape.
fn checked(input: &Input, tensor: &InferInputTensor, limits: Limits) -> Result<Size, Fault> {
    no_shared_memory(&tensor.parameters)?;
    let wanted = expected(&input.shape);
    let fits = tensor.shape.len() == wanted.len()
        && tensor.shape.iter().zip(&wanted).all(|(dim, want)| *want == FREE || dim == want);
    if !fits {
        return Err(invalid(format!(
            "unexpected shape for input `{}`: expected {}, got {}",
            input.name,
            shown(&wanted),
            shown(&tensor.shape)
        )));
    }
    let within = |what: &str, dim: i64, most: usize| match usize::try_from(dim) {
        Ok(size) if (1..=most).contains(&size) => Ok(size),
        _ => {
            Err(invalid(format!("{what} of input `{}` must be 1 to {most}, is {dim}", input.name)))
        }
    };
    let rows = within("the batch size", tensor.shape[0], limits.max_batch)?;
    let extent = input
        .shape
        .axis()
        .map(|axis| within(&format!("the number of `{axis}`"), tensor.shape[1], limits.max_extent));
    Ok(Size { rows, extent: extent.transpose()? })
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

/// The protocol's notation for a dimension that is not fixed.
const FREE: i64 = -1;

/// A shape in the notation of the protocol: -1 for the batch, then the dimensions of a row.
pub(super) fn expected(shape: &Shape) -> Vec<i64> {
    std::iter::once(FREE).chain(dims(shape, None)).collect()
}

/// The dimensions of a row in the integer type of the protocol: the extent on the model's axis, if
/// the shape has it, or -1 without an extent; then the fixed ones.
pub(super) fn dims(shape: &Shape, extent: Option<usize>) -> impl Iterator<Item = i64> {
    let fixed = shape.row().iter().copied().map(dim);
    shape.axis().map(|_| extent.map_or(FREE, dim)).into_iter().chain(fixed)
}

fn dim(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A shape for an error message, cut to a bounded length: the shape comes from the client.
fn shown(shape: &[i64]) -> String {
    const MOST: usize = 8;
    let dims: Vec<_> = shape.iter().take(MOST).map(i64::to_string).collect();
    let more = if shape.len() > MOST { ",..." } else { "" };
    format!("[{}{more}]", dims.join(","))
}
