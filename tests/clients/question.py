"""The question that a test asks a client, and the answer.

The question is JSON on standard input, with rows for a model:
{"address": "127.0.0.1:50053", "model": "operational", "input": "window", "shape": [2, 12, 5],
"values": [...]}. The answer is JSON on standard output. For each way of asking it holds the bits of
all values of the outputs by name: {"raw": {"forecast": [1065353216, ...]}}.
"""

import json
import sys

import numpy as np

QUESTION = json.load(sys.stdin)
ADDRESS, MODEL, INPUT = QUESTION["address"], QUESTION["model"], QUESTION["input"]
ROWS = np.array(QUESTION["values"], dtype=np.float32).reshape(QUESTION["shape"])
# Seconds after which a call fails. A call takes milliseconds unless it hangs.
PATIENCE = 30


def bits(values):
    """The values of an output as unsigned integers, which are equal only if every bit is."""
    assert values.dtype == np.float32, values.dtype
    assert values.shape[0] == ROWS.shape[0], values.shape
    return np.ascontiguousarray(values).view(np.uint32).ravel().tolist()


def tell(answers):
    """Writes the answer."""
    json.dump(answers, sys.stdout)
