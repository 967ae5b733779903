use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeSeq};

use super::axis::Axis;

/// The word that stands for the first, symbolic dimension.
pub(super) const BATCH: &str = "batch";

/// Most dimensions a shape may have, the batch included.
const MAX_RANK: usize = 8;

/// Most values one row of a tensor may hold (4 MiB of f32): the bound on what a manifest can make
/// the process allocate for one row.
const MAX_ROW_LEN: usize = 1 << 20;

/// Shape of a tensor whose first dimension is the batch: `[batch, 14]`, `[batch, 12, 5]`,
/// `[batch, candidates, 12]`.
///
/// In YAML it is a sequence that starts with the word `batch`. The name of the model's axis may
/// follow; the other dimensions are numbers. `[batch]` alone means one value per row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    axis: Option<String>,
    row: Vec<usize>,
}

impl Shape {
    /// A shape from the dimensions that follow the batch: `Shape::new([12, 5])` is
    /// `[batch, 12, 5]`. Whether the dimensions are sensible is checked with the manifest.
    pub fn new(row: impl Into<Vec<usize>>) -> Shape {
        Shape { axis: None, row: row.into() }
    }

    /// A shape on an axis, from the dimensions that follow the axis:
    /// `Shape::on_axis("candidates", [12])` is `[batch, candidates, 12]`.
    pub fn on_axis(axis: impl Into<String>, row: impl Into<Vec<usize>>) -> Shape {
        Shape { axis: Some(axis.into()), row: row.into() }
    }

    /// The name of the axis, if the shape has one: it is the dimension after the batch.
    #[must_use]
    pub fn axis(&self) -> Option<&str> {
        self.axis.as_deref()
    }

    /// The fixed dimensions of one row: those that follow the batch, or the axis if there is one.
    #[must_use]
    pub fn row(&self) -> &[usize] {
        &self.row
    }

    /// How many values one row holds, or one position of a row if the shape has an axis (at most
    /// 2^20 in a checked manifest).
    #[must_use]
    pub fn row_len(&self) -> usize {
        self.row.iter().fold(1, |product: usize, &dim| product.saturating_mul(dim))
    }

    /// The last dimension: what features and labels describe. It is 1 if no fixed one follows the
    /// batch or the axis.
    #[must_use]
    pub fn last(&self) -> usize {
        self.row.last().copied().unwrap_or(1)
    }

    /// What is wrong with the dimensions in a manifest that declares this axis, if anything.
    pub(super) fn fault(&self, declared: Option<&Axis>) -> Option<String> {
        let most = match (self.axis(), declared) {
            (None, _) => 1,
            (Some(name), Some(axis)) if axis.name == name => axis.max,
            (Some(name), _) => {
                return Some(format!(
                    "shape {self} has the dimension `{name}`, which `axis` does not declare"
                ));
            }
        };
        if self.row.len() + usize::from(self.axis.is_some()) >= MAX_RANK {
            return Some(format!("shape {self} has more than {MAX_RANK} dimensions"));
        }
        if self.row.contains(&0) {
            return Some(format!("shape {self} has a dimension of 0"));
        }
        if self.row_len().saturating_mul(most) > MAX_ROW_LEN {
            return Some(format!("shape {self} holds more than {MAX_ROW_LEN} values per row"));
        }
        None
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{BATCH}")?;
        if let Some(axis) = &self.axis {
            write!(f, ", {axis}")?;
        }
        for dim in &self.row {
            write!(f, ", {dim}")?;
        }
        f.write_str("]")
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dims = 1 + usize::from(self.axis.is_some()) + self.row.len();
        let mut seq = serializer.serialize_seq(Some(dims))?;
        seq.serialize_element(BATCH)?;
        if let Some(axis) = &self.axis {
            seq.serialize_element(axis)?;
        }
        for dim in &self.row {
            seq.serialize_element(dim)?;
        }
        seq.end()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dim {
    Fixed(usize),
    Symbol(String),
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
        let dims = Vec::<Dim>::deserialize(deserializer)?;
        let mut dims = dims.into_iter();
        match dims.next() {
            Some(Dim::Symbol(name)) if name == BATCH => {}
            _ => return Err(D::Error::custom("the first dimension of a shape must be `batch`")),
        }
        let mut axis = None;
        let mut row = Vec::new();
        for (index, dim) in dims.enumerate() {
            match dim {
                Dim::Fixed(dim) => row.push(dim),
                Dim::Symbol(name) if index == 0 => axis = Some(name),
                Dim::Symbol(name) => {
                    return Err(D::Error::custom(format!(
                        "dimension `{name}`: only the dimension after `{BATCH}` may have a name, \
                         every other one must be a number"
                    )));
                }
            }
        }
        Ok(Shape { axis, row })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_same_shape() {
        let shape: Shape = serde_yaml::from_str("[batch, 12, 5]").unwrap();
        assert_eq!(shape, Shape::new([12, 5]));
        assert_eq!((shape.row_len(), shape.last()), (60, 5));
        assert_eq!(shape.to_string(), "[batch, 12, 5]");
        let written = serde_yaml::to_string(&shape).unwrap();
        assert_eq!(serde_yaml::from_str::<Shape>(&written).unwrap(), shape);
    }

    #[test]
    fn batch_alone_is_one_value_per_row() {
        let shape: Shape = serde_yaml::from_str("[batch]").unwrap();
        assert_eq!((shape.row_len(), shape.last()), (1, 1));
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in ["[]", "[14]", "[rows, 14]", "[batch, 2, rows]", "[batch, -1]", "[batch, 1.5]"]
        {
            assert!(serde_yaml::from_str::<Shape>(text).is_err(), "{text}");
        }
        for row in [vec![0], vec![1; MAX_RANK], vec![usize::MAX, usize::MAX]] {
            assert!(Shape::new(row).fault(None).is_some());
        }
    }

    #[test]
    fn the_dimension_after_the_batch_may_be_an_axis() {
        let shape: Shape = serde_yaml::from_str("[batch, candidates, 12]").unwrap();
        assert_eq!(shape, Shape::on_axis("candidates", [12]));
        assert_ne!(shape, Shape::new([12]));
        assert_eq!((shape.axis(), shape.row_len(), shape.last()), (Some("candidates"), 12, 12));
        assert_eq!(shape.to_string(), "[batch, candidates, 12]");
        let written = serde_yaml::to_string(&shape).unwrap();
        assert_eq!(serde_yaml::from_str::<Shape>(&written).unwrap(), shape);
    }
}
