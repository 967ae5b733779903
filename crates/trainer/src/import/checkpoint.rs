//! The tensors of a checkpoint by name. Names and shapes are read first, values only when all of
//! them fit.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device, Tensor, safetensors::SliceSafetensors};

use super::{
    archive::Archive,
    pickle::{self, Kind, Value},
};
use crate::nets::Parameters;

/// Keys under which a checkpoint may hold its state dict, in the order of the search.
const KEYS: [&str; 12] = [
    "state_dict",
    "model_state_dict",
    "model",
    "policy_state_dict",
    "q_network",
    "q_network_state_dict",
    "policy_net",
    "policy",
    "actor_critic",
    "network",
    "net",
    "lstm",
];
/// Most tensors of a checkpoint; the networks have under fifty.
const MOST_TENSORS: usize = 1024;
/// Most bytes of `data.pkl` and of the header of a safetensors file: names and shapes only.
const MOST_HEADER: usize = 4 << 20;
const MOST_AXES: usize = 8;

/// A checkpoint whose values have not been read yet.
pub(super) struct Checkpoint<'a> {
    tensors: BTreeMap<String, Stored<'a>>,
}

/// One tensor: its shape, and the location of its values.
struct Stored<'a> {
    shape: Vec<usize>,
    values: Location<'a>,
}

enum Location<'a> {
    /// A view into a storage: its bytes and element type, the offset and the strides in elements.
    Torch { storage: &'a [u8], dtype: DType, offset: usize, strides: Vec<usize> },
    /// Row-major bytes.
    Dense { bytes: &'a [u8], dtype: DType },
}

impl<'a> Checkpoint<'a> {
    /// Reads a file that `torch.save` wrote.
    pub(super) fn torch(bytes: &'a [u8]) -> Result<Self> {
        ensure!(
            bytes.starts_with(b"PK"),
            "not a zip archive: torch.save before 1.6 wrote another format, save it again with a \
             newer PyTorch (or as safetensors)"
        );
        let archive = Archive::open(bytes)?;
        let root = archive.root()?;
        if let Some(order) = archive.get(&format!("{root}byteorder")) {
            ensure!(order == b"little", "the checkpoint was written on a big-endian machine");
        }
        let data = archive.get(&format!("{root}data.pkl")).context("data.pkl is gone")?;
        ensure!(
            data.len() <= MOST_HEADER,
            "data.pkl has {} bytes, at most {MOST_HEADER} are read",
            data.len()
        );
        let value = pickle::read(data)?;
        let mut tensors = BTreeMap::new();
        for (name, tensor) in state_dict(&value)? {
            let stored =
                torch_tensor(tensor, &archive, root).with_context(|| format!("tensor {name}"))?;
            let taken = tensors.insert(name.to_owned(), stored);
            ensure!(taken.is_none(), "the checkpoint has tensor {name} twice");
        }
        Ok(Self { tensors })
    }

    /// Reads a safetensors file.
    pub(super) fn safetensors(file: &'a SliceSafetensors<'a>, bytes: &'a [u8]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        let found = file.tensors();
        ensure!(
            found.len() <= MOST_TENSORS,
            "{} tensors, at most {MOST_TENSORS} are read",
            found.len()
        );
        for (name, view) in found {
            let dtype = DType::try_from(view.dtype())
                .ok()
                .filter(|dtype| is_float(*dtype))
                .with_context(|| format!("tensor {name} is of {:?}, not floats", view.dtype()))?;
            let start = view.data().as_ptr().addr() - bytes.as_ptr().addr();
            let data = bytes.get(start..start + view.data().len()).context("outside the file")?;
            let shape = view.shape().to_vec();
            tensors.insert(name, Stored { shape, values: Location::Dense { bytes: data, dtype } });
        }
        Ok(Self { tensors })
    }

    /// The shape of the tensor called `name`, if the checkpoint has it.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }

    /// Checks that it has exactly the tensors of `wanted`, in their shapes, and reads the values.
    ///
    /// # Errors
    /// With every tensor that is missing, unknown or of another shape, both sides shown; or with
    /// the first tensor that holds a value that is not finite.
    pub(super) fn parameters(&self, wanted: &Parameters) -> Result<Parameters> {
        let mut faults = Vec::new();
        for name in wanted.names() {
            let shape = wanted.shape(name)?;
            match self.shape(name) {
                None => faults.push(format!("{name}: wanted {shape:?}, the checkpoint has none")),
                Some(found) if found != shape => {
                    faults.push(format!("{name}: wanted {shape:?}, found {found:?}"));
                }
                Some(_) => {}
            }
        }
        for (name, stored) in &self.tensors {
            if wanted.get(name).is_err() {
                let found = &stored.shape;
                faults.push(format!("{name}: the network has none, found {found:?}"));
            }
        }
        ensure!(
            faults.is_empty(),
            "the checkpoint does not fit the network:\n  {}",
            faults.join("\n  ")
        );
        let mut parameters = Parameters::new();
        for (name, stored) in &self.tensors {
            let values = stored.values().with_context(|| format!("tensor {name}"))?;
            if let Some(position) = values.iter().position(|value| !value.is_finite()) {
                bail!(
                    "tensor {name} {:?}: value {position} is {}, every weight must be finite",
                    stored.shape,
                    values[position]
                );
            }
            parameters.insert(name, &stored.shape, values)?;
        }
        Ok(parameters)
    }
}

/// Checks the length that a safetensors file claims for its header, before the header is parsed.
pub(super) fn check_safetensors_header(bytes: &[u8]) -> Result<()> {
    let length = bytes.first_chunk::<8>().context("shorter than a safetensors header")?;
    let length = u64::from_le_bytes(*length);
    ensure!(
        length <= MOST_HEADER as u64 && length <= bytes.len() as u64 - 8,
        "its header claims {length} bytes of {} that are there, at most {MOST_HEADER} are read; \
         the file is not safetensors, or was cut off",
        bytes.len() - 8
    );
    Ok(())
}

impl Stored<'_> {
    fn values(&self) -> Result<Vec<f32>> {
        match &self.values {
            Location::Dense { bytes, dtype } => floats(bytes, *dtype),
            Location::Torch { storage, dtype, offset, strides } => {
                let all = floats(storage, *dtype)?;
                let count = self.shape.iter().product();
                let mut at = vec![0usize; self.shape.len()];
                let mut values = Vec::with_capacity(count);
                for _ in 0..count {
                    let position =
                        at.iter().zip(strides).fold(*offset, |sum, (i, stride)| sum + i * stride);
                    values.push(*all.get(position).context("a view outside of its storage")?);
                    for axis in (0..at.len()).rev() {
                        at[axis] += 1;
                        if at[axis] < self.shape[axis] {
                            break;
                        }
                        at[axis] = 0;
                    }
                }
                Ok(values)
            }
        }
    }
}

fn floats(bytes: &[u8], dtype: DType) -> Result<Vec<f32>> {
    let count = bytes.len() / dtype.size_in_bytes();
    let tensor = Tensor::from_raw_buffer(bytes, dtype, &[count], &Device::Cpu)?;
    Ok(tensor.to_dtype(DType::F32)?.to_vec1()?)
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
}

/// The dict of tensors that `value` is or contains.
fn state_dict(value: &Value) -> Result<Vec<(&str, &Value)>> {
    let top = value.dict().context("the checkpoint is no dict: save model.state_dict()")?;
    let named = |dict| -> Option<Vec<(&str, &Value)>> {
        let tensors = entries(dict).filter(|(_, value)| is_tensor(value));
        let tensors: Vec<_> = tensors.collect();
        (!tensors.is_empty()).then_some(tensors)
    };
    let inner = || {
        KEYS.iter().find_map(|key| {
            let (_, value) = entries(top).find(|(name, _)| name == key)?;
            named(value.dict()?)
        })
    };
    let found = named(top).or_else(inner).with_context(|| {
        let keys: Vec<_> = entries(top).take(20).map(|(name, _)| name).collect();
        format!(
            "no tensors in it: wanted a state dict, or one under any of {}; found the keys {}",
            KEYS.join(", "),
            keys.join(", ")
        )
    })?;
    ensure!(
        found.len() <= MOST_TENSORS,
        "{} tensors, at most {MOST_TENSORS} are read",
        found.len()
    );
    Ok(found)
}

fn entries(dict: &[(Value, Value)]) -> impl Iterator<Item = (&str, &Value)> {
    dict.iter().filter_map(|(key, value)| Some((key.text()?, value)))
}

/// The arguments of `torch._utils._rebuild_tensor_v2`, which a parameter wraps once more.
fn rebuilt(value: &Value) -> Option<&[Value]> {
    let Kind::Made(class, arguments) = value.kind() else { return None };
    match class.class()? {
        "torch._utils._rebuild_tensor_v2" => arguments.tuple(),
        "torch._utils._rebuild_parameter" => {
            let Kind::Made(class, arguments) = arguments.tuple()?.first()?.kind() else {
                return None;
            };
            (class.class() == Some("torch._utils._rebuild_tensor_v2")).then_some(())?;
            arguments.tuple()
        }
        _ => None,
    }
}

fn is_tensor(value: &Value) -> bool {
    rebuilt(value).is_some()
}

fn sizes(value: &Value) -> Option<Vec<usize>> {
    let parts = value.tuple().filter(|parts| parts.len() <= MOST_AXES)?;
    parts.iter().map(Value::whole).collect()
}

fn torch_tensor<'a>(value: &Value, archive: &Archive<'a>, root: &str) -> Result<Stored<'a>> {
    let odd = "its description is not of the form that torch.save writes";
    let Some([storage, offset, shape, strides, ..]) = rebuilt(value) else { bail!(odd) };
    let (Some(offset), Some(shape), Some(strides)) = (offset.whole(), sizes(shape), sizes(strides))
    else {
        bail!(odd)
    };
    let Kind::Outside(id) = storage.kind() else { bail!(odd) };
    let Some([_, class, key, _, _]) = id.tuple() else { bail!(odd) };
    let dtype = match class.class().context(odd)? {
        "torch.FloatStorage" => DType::F32,
        "torch.DoubleStorage" => DType::F64,
        "torch.HalfStorage" => DType::F16,
        "torch.BFloat16Storage" => DType::BF16,
        other => bail!("its values are a {other}, not floats"),
    };
    let key = key.text().context(odd)?;
    let storage = archive
        .get(&format!("{root}data/{key}"))
        .with_context(|| format!("the archive has no member data/{key}"))?;
    let held = storage.len() / dtype.size_in_bytes();
    ensure!(strides.len() == shape.len(), odd);
    let empty = shape.contains(&0);
    let last = shape.iter().zip(&strides).try_fold(offset, |sum, (size, stride)| {
        size.saturating_sub(1).checked_mul(*stride)?.checked_add(sum)
    });
    let count = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
    ensure!(
        empty || last.is_some_and(|last| last < held) && count.is_some_and(|count| count <= held),
        "shape {shape:?} with strides {strides:?} from {offset} needs more than the {held} values \
         that its storage holds"
    );
    Ok(Stored { shape, values: Location::Torch { storage, dtype, offset, strides } })
}
