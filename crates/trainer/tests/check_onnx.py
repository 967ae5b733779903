"""Runs the checker of the onnx package, with shape inference, over the files given as arguments."""

import sys

import onnx

for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    print(f"{path}: opset {opset}, {len(model.graph.node)} nodes")
    if opset < 17:
        sys.exit(f"{path}: opset {opset} is below 17")
