use std::fmt;

use ort::{
    session::Session,
    value::{Outlet, TensorElementType, ValueType},
};

use crate::repository::{Manifest, Shape};

/// The default operator set's domain.
const ONNX_DOMAIN: &str = "";

/// One thing that the manifest and the graph say differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What is compared, for instance ``input `state` ``.
    pub what: String,
    /// What the manifest says.
    pub manifest: String,
    /// What the graph says.
    pub graph: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { what, manifest, graph } = self;
        write!(f, "{what}: the manifest says {manifest}, the graph says {graph}")
    }
}

/// Everything in which the manifest and a loaded graph differ: operator set, names, types, shapes.
pub(super) fn mismatches(manifest: &Manifest, session: &Session) -> Vec<Mismatch> {
    let inputs = manifest.inputs.iter().map(|input| (input.name.as_str(), &input.shape));
    let outputs = manifest.outputs.iter().map(|output| (output.name.as_str(), &output.shape));
    let mut found = Vec::new();
    let opset = session.opset_for_domain(ONNX_DOMAIN);
    if opset != Some(manifest.graph.opset) {
        found.push(Mismatch {
            what: "opset".to_owned(),
            manifest: manifest.graph.opset.to_string(),
            graph: opset.map_or_else(|| "none".to_owned(), |opset| opset.to_string()),
        });
    }
    compare("input", inputs, session.inputs(), &mut found);
    compare("output", outputs, session.outputs(), &mut found);
    found
}

/// Position in the graph's list of each of the manifest's names. Call it on a graph without
/// mismatches: every name is there then.
pub(super) fn positions<'a>(
    names: impl Iterator<Item = &'a str>,
    outlets: &[Outlet],
) -> Vec<usize> {
    names.filter_map(|name| outlets.iter().position(|outlet| outlet.name() == name)).collect()
}

fn compare<'a>(
    kind: &str,
    declared: impl Iterator<Item = (&'a str, &'a Shape)>,
    outlets: &[Outlet],
    found: &mut Vec<Mismatch>,
) {
    let mut unclaimed: Vec<&Outlet> = outlets.iter().collect();
    for (name, shape) in declared {
        let manifest = format!("f32 {shape}");
        let what = format!("{kind} `{name}`");
        match unclaimed.iter().position(|outlet| outlet.name() == name) {
            None => {
                let graph = "no such name".to_owned();
                found.push(Mismatch { what, manifest, graph });
            }
            Some(index) => {
                let outlet = unclaimed.swap_remove(index);
                if !agrees(outlet.dtype(), shape) {
                    let graph = describe(outlet.dtype());
                    found.push(Mismatch { what, manifest, graph });
                }
            }
        }
    }
    found.extend(unclaimed.into_iter().map(|outlet| Mismatch {
        what: format!("{kind} `{}`", outlet.name()),
        manifest: "no such name".to_owned(),
        graph: describe(outlet.dtype()),
    }));
}

/// f32, a symbolic first dimension, a symbolic one for the axis, and exactly the fixed ones after
/// it.
fn agrees(graph: &ValueType, shape: &Shape) -> bool {
    let ValueType::Tensor { ty: TensorElementType::Float32, shape: dims, .. } = graph else {
        return false;
    };
    let symbolic = 1 + usize::from(shape.axis().is_some());
    let Some((free, row)) = dims.split_at_checked(symbolic) else { return false };
    free.iter().all(|dim| *dim < 0)
        && row.len() == shape.row().len()
        && row.iter().zip(shape.row()).all(|(graph, want)| usize::try_from(*graph) == Ok(*want))
}

/// A graph's type as the manifest would write it; a dimension without name or size is `?`.
fn describe(graph: &ValueType) -> String {
    let ValueType::Tensor { ty, shape, dimension_symbols } = graph else {
        return format!("{graph}, not a tensor");
    };
    let dims: Vec<String> = shape
        .iter()
        .enumerate()
        .map(|(index, dim)| match dimension_symbols.get(index) {
            _ if *dim >= 0 => dim.to_string(),
            Some(symbol) if !symbol.is_empty() => symbol.clone(),
            _ => "?".to_owned(),
        })
        .collect();
    format!("{ty} [{}]", dims.join(", "))
}
