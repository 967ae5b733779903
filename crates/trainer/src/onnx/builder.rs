//! Builds an ONNX graph node by node. The same calls give the same bytes.

use anyhow::{Context, Result, ensure};
use prost::Message;

use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

/// LayerNormalization exists from operator set 17 on.
pub(crate) const OPSET: u32 = 17;
/// The IR version that belongs to operator set 17.
const IR_VERSION: i64 = 8;

/// One axis of an input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Any number of rows; written as the symbol `batch`.
    Batch,
    /// Any number of positions of a row; written as this symbol.
    Symbol(&'static str),
    /// A fixed size.
    Fixed(usize),
}

/// A value flowing through the graph: an input, an initializer, or the output of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

/// An attribute of a node.
#[derive(Debug, Clone, PartialEq)]
enum Attribute {
    Int(i64),
    Float(f32),
    Ints(Vec<i64>),
}

/// For operators along the columns of [batch, columns].
const COLUMNS: [(&str, Attribute); 1] = [("axis", Attribute::Int(1))];

/// An operator applied to its operands.
struct Node<'a> {
    op: &'a str,
    name: &'a str,
    operands: &'a [&'a Value],
    attributes: &'a [(&'a str, Attribute)],
}

/// A graph under construction. All tensors are f32, except small i64 operands such as split sizes.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: GraphProto,
}

impl GraphBuilder {
    /// An empty graph called `name`.
    pub fn new(name: &str) -> Self {
        Self { graph: GraphProto { name: Some(name.to_owned()), ..GraphProto::default() } }
    }

    /// Declares a graph input of f32.
    pub fn input(&mut self, name: &str, axes: &[Axis]) -> Value {
        self.graph.input.push(value_info(name, axes));
        Value(name.to_owned())
    }

    /// Declares `value` a graph output and gives it the name `name`.
    ///
    /// # Errors
    /// When no node produces the value under its own name, for example because it is an output
    /// already.
    pub fn output(&mut self, name: &str, value: &Value, axes: &[Axis]) -> Result<()> {
        let slot = self
            .graph
            .node
            .iter_mut()
            .flat_map(|node| node.output.iter_mut())
            .find(|output| **output == value.0)
            .with_context(|| format!("no node produces the value of output {name}"))?;
        name.clone_into(slot);
        self.graph.output.push(value_info(name, axes));
        Ok(())
    }

    /// Adds a constant f32 tensor; `values` are in row-major order.
    ///
    /// # Errors
    /// When the values do not fill the shape or one of them is not finite.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<Value> {
        ensure!(
            shape.iter().product::<usize>() == values.len(),
            "initializer {name}: {} values do not fill {shape:?}",
            values.len()
        );
        ensure!(
            values.iter().all(|v| v.is_finite()),
            "initializer {name} holds a non-finite value"
        );
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Ok(self.initializer(name, shape, (DataType::Float, raw)))
    }

    fn integers(&mut self, name: &str, values: &[i64]) -> Value {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, &[values.len()], (DataType::Int64, raw))
    }

    fn initializer(
        &mut self,
        name: &str,
        shape: &[usize],
        (kind, raw): (DataType, Vec<u8>),
    ) -> Value {
        self.graph.initializer.push(TensorProto {
            dims: shape.iter().map(|&d| d as i64).collect(),
            data_type: Some(kind as i32),
            name: Some(name.to_owned()),
            raw_data: Some(raw),
            data_location: None,
        });
        Value(name.to_owned())
    }

    /// `op(left, right)` for the broadcasting operators Add, Sub, Mul, Div, Min and Max.
    pub fn binary(&mut self, op: &str, name: &str, operands: [&Value; 2]) -> Value {
        self.single(Node { op, name, operands: &operands, attributes: &[] })
    }

    /// `op(x)` for operators without attributes: Relu, Exp, Log, Identity.
    pub fn unary(&mut self, op: &str, name: &str, x: &Value) -> Value {
        self.single(Node { op, name, operands: &[x], attributes: &[] })
    }

    /// `x * weight^T + bias`. The operands are x [batch, in], weight [out, in] (as PyTorch stores
    /// it) and bias `[out]`.
    pub fn linear(&mut self, name: &str, operands: [&Value; 3]) -> Value {
        let attributes = [("transB", Attribute::Int(1))];
        self.single(Node { op: "Gemm", name, operands: &operands, attributes: &attributes })
    }

    /// Normalises the last axis of the first operand, multiplies by the second and adds the third.
    pub fn layer_norm(&mut self, name: &str, operands: [&Value; 3], epsilon: f32) -> Value {
        let attributes = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(epsilon))];
        let op = "LayerNormalization";
        self.single(Node { op, name, operands: &operands, attributes: &attributes })
    }

    /// Splits the columns of `x` [batch, columns] into two pieces of the given sizes.
    pub fn split_columns(&mut self, name: &str, x: &Value, sizes: [usize; 2]) -> [Value; 2] {
        let operand = self.integers(&format!("{name}.sizes"), &sizes.map(|s| s as i64));
        let operands = [x, &operand];
        self.node(Node { op: "Split", name, operands: &operands, attributes: &COLUMNS })
    }

    /// Concatenates tensors [batch, *] along the columns.
    pub fn concat_columns(&mut self, name: &str, parts: &[&Value]) -> Value {
        self.single(Node { op: "Concat", name, operands: parts, attributes: &COLUMNS })
    }

    /// Reorders axes.
    pub fn transpose(&mut self, name: &str, x: &Value, axes: &[usize]) -> Value {
        let permutation = Attribute::Ints(axes.iter().map(|&a| a as i64).collect());
        let attributes = [("perm", permutation)];
        self.single(Node { op: "Transpose", name, operands: &[x], attributes: &attributes })
    }

    /// Gives `x` [batch, ..] the axes `shape` after the batch.
    pub fn reshape(&mut self, name: &str, x: &Value, shape: &[usize]) -> Value {
        let axes: Vec<i64> = [-1].into_iter().chain(shape.iter().map(|&d| d as i64)).collect();
        let operand = self.integers(&format!("{name}.shape"), &axes);
        self.single(Node { op: "Reshape", name, operands: &[x, &operand], attributes: &[] })
    }

    /// Softmax over the last axis.
    pub fn softmax(&mut self, name: &str, x: &Value) -> Value {
        let attributes = [("axis", Attribute::Int(-1))];
        self.single(Node { op: "Softmax", name, operands: &[x], attributes: &attributes })
    }

    /// Sums over `axis` and drops it.
    pub fn sum(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let axes = self.integers(&format!("{name}.axes"), &[axis as i64]);
        let attributes = [("keepdims", Attribute::Int(0))];
        let operands = [x, &axes];
        self.single(Node { op: "ReduceSum", name, operands: &operands, attributes: &attributes })
    }

    /// The greatest value along `axis`, which keeps size 1.
    pub fn greatest(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let attributes =
            [("axes", Attribute::Ints(vec![axis as i64])), ("keepdims", Attribute::Int(1))];
        self.single(Node { op: "ReduceMax", name, operands: &[x], attributes: &attributes })
    }

    /// Drops `axis`, which must have size 1.
    pub fn squeeze(&mut self, name: &str, x: &Value, axis: usize) -> Value {
        let axes = self.integers(&format!("{name}.axes"), &[axis as i64]);
        self.single(Node { op: "Squeeze", name, operands: &[x, &axes], attributes: &[] })
    }

    /// A forward LSTM. The operands are x [time, batch, in] and W, R and B in ONNX gate order.
    /// Returns the hidden states of all steps [time, 1, batch, hidden] and the last one
    /// [1, batch, hidden].
    pub fn lstm(&mut self, name: &str, operands: [&Value; 4], hidden: usize) -> [Value; 2] {
        let attributes = [("hidden_size", Attribute::Int(hidden as i64))];
        self.node(Node { op: "LSTM", name, operands: &operands, attributes: &attributes })
    }

    fn single(&mut self, node: Node<'_>) -> Value {
        let [value] = self.node(node);
        value
    }

    fn node<const OUTPUTS: usize>(&mut self, node: Node<'_>) -> [Value; OUTPUTS] {
        let values = std::array::from_fn(|index| Value(format!("{}.out{index}", node.name)));
        self.graph.node.push(NodeProto {
            input: node.operands.iter().map(|v| v.0.clone()).collect(),
            output: values.iter().map(|v| v.0.clone()).collect(),
            name: Some(node.name.to_owned()),
            op_type: Some(node.op.to_owned()),
            attribute: node.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
            domain: None,
        });
        values
    }

    /// The serialised model.
    pub fn finish(self) -> Vec<u8> {
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            opset_import: vec![OperatorSetIdProto {
                domain: Some(String::new()),
                version: Some(OPSET.into()),
            }],
            producer_name: Some(env!("CARGO_PKG_NAME").to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let kind = match value {
        Attribute::Int(i) => {
            proto.i = Some(*i);
            AttributeType::Int
        }
        Attribute::Float(f) => {
            proto.f = Some(*f);
            AttributeType::Float
        }
        Attribute::Ints(ints) => {
            proto.ints.clone_from(ints);
            AttributeType::Ints
        }
    };
    proto.r#type = Some(kind as i32);
    proto
}

fn value_info(name: &str, axes: &[Axis]) -> ValueInfoProto {
    let dim = axes
        .iter()
        .map(|axis| Dimension {
            value: Some(match axis {
                Axis::Batch => dimension::Value::DimParam("batch".to_owned()),
                Axis::Symbol(name) => dimension::Value::DimParam((*name).to_owned()),
                Axis::Fixed(size) => dimension::Value::DimValue(*size as i64),
            }),
        })
        .collect();
    let tensor = type_proto::Tensor {
        elem_type: Some(DataType::Float as i32),
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)) }),
        doc_string: None,
    }
}
