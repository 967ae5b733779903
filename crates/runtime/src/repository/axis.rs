use serde::{Deserialize, Serialize};

use super::{manifest::Input, shape::BATCH};

/// Most positions that a manifest may allow a row on the axis.
pub(super) const MAX_POSITIONS: usize = 4096;

/// The dimension after the batch whose size differs from row to row, for instance the candidates
/// that a model scores.
///
/// Rows that share a run are padded to the largest of them. The mask tells the graph which
/// positions hold values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The name that stands for the dimension in shapes: letters, digits and `_`, the first a
    /// letter, at most 64 of them.
    pub name: String,
    /// Most positions of a row: 1 to 4096.
    pub max: usize,
    /// Name of the input of shape `[batch, <name>]` that is 1 where a row has a value and 0 where
    /// it is padded. Callers set 0 for positions that the graph must leave out as well.
    pub mask: String,
}

impl Axis {
    /// What is wrong with the axis of a model that has these inputs, if anything.
    pub(super) fn fault(&self, inputs: &[Input]) -> Option<String> {
        let Axis { name, max, mask } = self;
        if !is_axis_name(name) {
            return Some(format!(
                "`{name}` is not the name of an axis: 1 to 64 letters, digits and `_`, the first a \
                 letter, and not `{BATCH}`"
            ));
        }
        if !(1..=MAX_POSITIONS).contains(max) {
            return Some(format!(
                "axis `{name}` has at most {max} positions, it must be 1 to {MAX_POSITIONS}"
            ));
        }
        let wanted = format!("[{BATCH}, {name}]");
        match inputs.iter().find(|input| input.name == *mask) {
            None => Some(format!("the mask `{mask}` of axis `{name}` is not an input")),
            Some(input) if input.shape.axis() != Some(name) || !input.shape.row().is_empty() => {
                let found = &input.shape;
                Some(format!("the mask `{mask}` of axis `{name}` must be {wanted}, it is {found}"))
            }
            Some(_) => None,
        }
    }
}

fn is_axis_name(name: &str) -> bool {
    name.len() <= 64
        && name != BATCH
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
