"""The newest version of a model in the repository MODELS_DIR, run by ONNX Runtime on one thread."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
import yaml


class Model:
    def __init__(self, name):
        versions = Path(os.environ["MODELS_DIR"], name).iterdir()
        numbered = (version for version in versions if version.name.isdigit())
        directory = max(numbered, key=lambda version: int(version.name))
        manifest = yaml.safe_load((directory / "manifest.yaml").read_text())
        [self.input] = manifest["inputs"]
        self.shape = (1, *self.input["shape"][1:])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        graph = directory / manifest["graph"]["file"]
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(graph, options, providers=providers)

    def __call__(self, values):
        """The first output for one row of values, flat."""
        row = np.asarray(values, dtype=np.float32).reshape(self.shape)
        return self.session.run(None, {self.input["name"]: row})[0][0]


def chosen(provider, row):
    """The tactical model's row with the chosen provider: features 7 to 9 are its one-hot code."""
    row = list(row)
    row[7:10] = [float(index == provider) for index in range(3)]
    return row
