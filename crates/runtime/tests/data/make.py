"""Makes the tiny models of the tests: a repository of <model>/1/{model.onnx,manifest.yaml}.

Run in a virtual environment with `pip install onnx==1.23.2 numpy` (the files it wrote are
committed; nothing in the tests needs Python):

    python make.py

| model  | what it does                                                            |
|--------|-------------------------------------------------------------------------|
| double | y = 2 x, three values per row                                           |
| pair   | two inputs, two outputs: sum = a + b, and the mean of b (one per row)   |
| dense  | 14 -> 64 -> 3 with ReLU and layer normalisation, random weights         |
| lstm   | 12 steps x 5 -> LSTM 16 -> 3, random weights                            |
| log    | y = ln x: NaN for a negative value                                      |
| table  | looks x up in a table of four rows; fails for an index outside it       |
| fixed  | y = 2 x, but the graph takes exactly one row (its manifest says batch)  |
| scores | scores candidates, -inf where the mask is 0, and their best score       |
| turned | gives the mask, but the axis before the batch (its manifest: after it)  |
"""

import hashlib
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
OPSET = 17
random = np.random.default_rng(7)


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def weights(name, *shape):
    return tensor(name, random.normal(0, 0.4, shape))


def info(name, *row, batch="batch"):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *row])


def publish(name, nodes, inputs, outputs, constants, axis=None):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="strata-tests"
    )
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    folder = HERE / name / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)

    def row(value):
        return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim][1:]

    def shape(value):
        return "[" + ", ".join(["batch", *map(str, row(value))]) + "]"

    def last(value):
        size = (row(value) or [1])[-1]
        return 1 if isinstance(size, str) else size

    lines = [
        f"name: {name}",
        "version: 1",
        "graph:",
        "  file: model.onnx",
        f"  sha256: {hashlib.sha256(data).hexdigest()}",
        f"  opset: {OPSET}",
    ]
    if axis:
        lines += ["axis:", *(f"  {key}: {value}" for key, value in axis.items())]
    lines += ["inputs:"]
    for value in inputs:
        lines += [f"- name: {value.name}", f"  shape: {shape(value)}"]
        lines += ["  dtype: f32", "  features:"]
        lines += [f"  - {{ name: {value.name}{i}, unit: '1' }}" for i in range(last(value))]
    lines += ["outputs:"]
    for value in outputs:
        labels = ", ".join(f"{value.name}{i}" for i in range(last(value)))
        lines += [f"- name: {value.name}", f"  shape: {shape(value)}", f"  labels: [{labels}]"]
    (folder / "manifest.yaml").write_text("\n".join(lines) + "\n")


node = helper.make_node

double = [node("Mul", ["x", "two"], ["y"])]
publish("double", double, [info("x", 3)], [info("y", 3)], [tensor("two", 2)])

publish(
    "pair",
    [
        node("Add", ["a", "b"], ["sum"]),
        node("ReduceMean", ["b"], ["mean"], axes=[1], keepdims=0),
    ],
    [info("a", 1), info("b", 2)],
    # Listed in the order in which the graph does not make them.
    [info("mean"), info("sum", 2)],
    [],
)

publish(
    "dense",
    [
        node("Gemm", ["x", "w1", "b1"], ["h1"]),
        node("Relu", ["h1"], ["h2"]),
        node("LayerNormalization", ["h2", "scale", "bias"], ["h3"]),
        node("Gemm", ["h3", "w2", "b2"], ["y"]),
    ],
    [info("x", 14)],
    [info("y", 3)],
    [
        weights("w1", 14, 64),
        weights("b1", 64),
        tensor("scale", np.ones(64)),
        tensor("bias", np.zeros(64)),
        weights("w2", 64, 3),
        weights("b2", 3),
    ],
)

publish(
    "lstm",
    [
        node("Transpose", ["window"], ["steps"], perm=[1, 0, 2]),
        node("LSTM", ["steps", "w", "r", "b"], ["", "hidden"], hidden_size=16),
        node("Squeeze", ["hidden", "zero"], ["state"]),
        node("Gemm", ["state", "w2", "b2"], ["y"]),
    ],
    [info("window", 12, 5)],
    [info("y", 3)],
    [
        weights("w", 1, 64, 5),
        weights("r", 1, 64, 16),
        weights("b", 1, 128),
        tensor("zero", [0], np.int64),
        weights("w2", 16, 3),
        weights("b2", 3),
    ],
)

publish("log", [node("Log", ["x"], ["y"])], [info("x", 1)], [info("y", 1)], [])

publish(
    "table",
    [
        node("Cast", ["x"], ["index"], to=TensorProto.INT64),
        node("Gather", ["rows", "index"], ["y"]),
    ],
    [info("x")],
    [info("y", 2)],
    [tensor("rows", [[0, 1], [2, 3], [4, 5], [6, 7]])],
)

publish(
    "fixed",
    [node("Mul", ["x", "two"], ["y"])],
    [info("x", 3, batch=1)],
    [info("y", 3, batch=1)],
    [tensor("two", 2)],
)

publish(
    "scores",
    [
        node("MatMul", ["candidates", "w1"], ["h1"]),
        node("Gemm", ["state", "w2", "b"], ["s1"]),
        node("Unsqueeze", ["s1", "one"], ["s2"]),
        node("Add", ["h1", "s2"], ["h2"]),
        node("Relu", ["h2"], ["h3"]),
        node("MatMul", ["h3", "w3"], ["raw1"]),
        node("Squeeze", ["raw1", "two"], ["raw2"]),
        node("Cast", ["mask"], ["allowed"], to=TensorProto.BOOL),
        node("Where", ["allowed", "raw2", "out"], ["q_values"]),
        node("ReduceMax", ["q_values"], ["value"], axes=[1], keepdims=1),
    ],
    [info("state", 3), info("candidates", "candidates", 2), info("mask", "candidates")],
    [info("q_values", "candidates"), info("value", 1)],
    [
        weights("w1", 2, 8),
        weights("w2", 3, 8),
        weights("b", 8),
        weights("w3", 8, 1),
        tensor("one", [1], np.int64),
        tensor("two", [2], np.int64),
        tensor("out", -np.inf),
    ],
    axis={"name": "candidates", "max": 4096, "mask": "mask"},
)

publish(
    "turned",
    [node("Transpose", ["mask"], ["y"], perm=[1, 0])],
    [info("mask", "candidates")],
    [info("y", "candidates", batch="rows")],
    [],
    axis={"name": "candidates", "max": 8, "mask": "mask"},
)
