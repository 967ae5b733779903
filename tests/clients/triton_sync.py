"""Triton's client: every call, and the codes of its errors."""

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from question import ADDRESS, INPUT, MODEL, PATIENCE, ROWS, bits, tell


def tensor(rows, datatype="FP32", name=INPUT):
    made = triton.InferInput(name, list(rows.shape), datatype)
    made.set_data_from_numpy(rows)
    return made


def refused(code, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", (error.status(), error.message())
        return error.message()
    raise AssertionError(f"{code} expected of {call.__name__}")


client = triton.InferenceServerClient(ADDRESS)
assert client.is_server_live() and client.is_server_ready()
server = client.get_server_metadata()
assert server.name == f"strata-{MODEL}" and "statistics" in server.extensions, server

# the model
metadata = client.get_model_metadata(MODEL)
version = metadata.versions[0]
assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, version)
assert not client.is_model_ready(MODEL, "999") and not client.is_model_ready("nothing")
assert metadata.platform == "onnxruntime_onnx", metadata
inputs = [(i.name, i.datatype, list(i.shape)) for i in metadata.inputs]
assert inputs == [(INPUT, "FP32", [-1, *ROWS.shape[1:]])], metadata
config = client.get_model_config(MODEL).config
assert config.max_batch_size == 64 and config.HasField("dynamic_batching"), config
assert list(config.input[0].dims) == list(ROWS.shape[1:]), config
outputs = [output.name for output in metadata.outputs]
assert [output.name for output in config.output] == outputs, config

# the repository
models = client.get_model_repository_index().models
index = {(m.name, m.version): (m.state, bool(m.reason)) for m in models}
assert index[(MODEL, version)] == ("READY", False), index
assert {name for name, _ in index} == {"strategic", "tactical", "operational"}, index
assert [state for state, _ in index.values()].count("READY") == 1, index
newest = str(max(int(v) for name, v in index if name == MODEL))
oldest = str(min(int(v) for name, v in index if name == MODEL))


def change(rpc, request, **parameters):
    """Loads or unloads a version. Triton's client has a message for that, but no argument."""
    asked = request(model_name=MODEL)
    for name, value in parameters.items():
        asked.parameters[name].int64_param = value
    rpc(asked)


def loaded():
    models = client.get_model_repository_index().models
    return {m.version for m in models if m.name == MODEL and m.state == "READY"}


client.load_model(MODEL)
assert loaded() == {version, newest} and client.is_model_ready(MODEL, newest), loaded()
stub, messages = client._client_stub, triton.service_pb2
change(stub.RepositoryModelLoad, messages.RepositoryModelLoadRequest, version=int(oldest))
assert loaded() == {version, newest, oldest}, loaded()
# The version that answered before still does.
assert client.infer(MODEL, [tensor(ROWS)]).get_response().model_version == version
if oldest != version:
    change(stub.RepositoryModelUnload, messages.RepositoryModelUnloadRequest, version=int(oldest))
    assert loaded() == {version, newest}, loaded()
    client.load_model(MODEL)
    change(stub.RepositoryModelLoad, messages.RepositoryModelLoadRequest, version=int(oldest))
client.unload_model(MODEL)
assert loaded() == {version} and client.is_model_ready(MODEL), loaded()
assert f"still available: {version}" in refused("INTERNAL", client.unload_model, MODEL)
assert "failed to poll from model repository" in refused("INTERNAL", client.load_model, "nothing")
client.unload_model("nothing")
refused("INVALID_ARGUMENT", client.load_model, MODEL, config="{}")
refused("UNIMPLEMENTED", client.get_system_shared_memory_status)
refused("UNIMPLEMENTED", client.get_trace_settings)

# rows
answers = {}
before = client.get_inference_statistics(MODEL).model_stats[0]


def infer(rows, datatype="FP32", **named):
    return client.infer(MODEL, [tensor(rows, datatype)], client_timeout=PATIENCE, **named)


result = infer(ROWS, request_id="an id", model_version=version)
response = result.get_response()
assert (response.id, response.model_name) == ("an id", MODEL), response
assert response.model_version == version, response
assert len(response.raw_output_contents) == len(outputs), "raw in, raw out"
answers["raw"] = {name: bits(result.as_numpy(name)) for name in outputs}
doubles = infer(ROWS.astype(np.float64), "FP64")
answers["FP64"] = {name: bits(doubles.as_numpy(name)) for name in outputs}
halves = ROWS.astype(np.float16)
converted, same = infer(halves, "FP16"), infer(halves.astype(np.float32))
for name in outputs:
    assert bits(converted.as_numpy(name)) == bits(same.as_numpy(name)), name
    only = infer(ROWS, outputs=[triton.InferRequestedOutput(name)])
    assert [output.name for output in only.get_response().outputs] == [name]
    assert bits(only.as_numpy(name)) == answers["raw"][name]
after = client.get_inference_statistics(MODEL, version).model_stats[0]
calls = 4 + len(outputs)
assert after.inference_count - before.inference_count == calls * len(ROWS), after
assert after.execution_count - before.execution_count == calls, after
assert after.inference_stats.success.count - before.inference_stats.success.count == calls, after
assert sum(b.compute_infer.count for b in after.batch_stats) == after.execution_count, after

# the largest batch, and one row more
many = np.repeat(ROWS[:1], 64, axis=0)
for name in outputs:
    assert infer(many).as_numpy(name).shape[0] == 64
more = np.repeat(ROWS[:1], 65, axis=0)
assert "must be 1 to 64, is 65" in refused("INVALID_ARGUMENT", infer, more)

# invalid requests
wide = np.zeros((1, *ROWS.shape[1:-1], ROWS.shape[-1] + 1), np.float32)
refused("INVALID_ARGUMENT", infer, wide)
refused("INVALID_ARGUMENT", infer, np.zeros(ROWS.shape, np.int64), "INT64")
refused("INVALID_ARGUMENT", infer, np.full(ROWS.shape, np.nan, np.float32))
refused("INVALID_ARGUMENT", client.infer, MODEL, [tensor(ROWS, name="nothing")])
refused("INVALID_ARGUMENT", client.infer, MODEL, [tensor(ROWS), tensor(ROWS)])
refused("INVALID_ARGUMENT", infer, ROWS, outputs=[triton.InferRequestedOutput("nothing")])
refused("INVALID_ARGUMENT", infer, ROWS, model_version="two")
refused("NOT_FOUND", infer, ROWS, model_version="999")
refused("NOT_FOUND", client.infer, "nothing", [tensor(ROWS)])
refused("NOT_FOUND", client.get_model_metadata, "nothing")
refused("NOT_FOUND", client.get_model_config, "nothing")
refused("NOT_FOUND", client.get_inference_statistics, "nothing")
classes = triton.InferRequestedOutput(outputs[0], class_count=1)
refused("UNIMPLEMENTED", infer, ROWS, outputs=[classes])
client.close()
tell(answers)
