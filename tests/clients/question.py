"""What a test asks a client to do: rows for a model, as JSON on standard input; and what it is told back, as JSON on standard output.

The question: {"address": "127.0.0.1:50053", "model": "operational", "input": "window", "shape": [2, 12, 5], "values": [...]}. The answer: the
bits of every value of the outputs, by name, {"forecast": [1065353216, ...]}, for each way of asking, by its name.
"""

import json
import sys

import numpy as np

QUESTION = json.load(sys.stdin)
ADDRESS, MODEL, INPUT = QUESTION["address"], QUESTION["model"], QUESTION["input"]
ROWS = np.array(QUESTION["values"], dtype=np.float32).reshape(QUESTION["shape"])
# A call that hangs fails; one that does not takes milliseconds.
PATIENCE = 30


def bits(values):
    """The values of an output as unsigned integers: equal exactly if every bit is."""
    assert values.dtype == np.float32, values.dtype
    assert values.shape[0] == ROWS.shape[0], values.shape
    return np.ascontiguousarray(values).view(np.uint32).ravel().tolist()


def tell(answers):
    """Ends the conversation."""
    json.dump(answers, sys.stdout)
