"""Triton's client on a stream.

Answers come in the order of the requests. An invalid request does not disturb the others.
"""

import queue

import tritonclient.grpc as triton

from question import ADDRESS, INPUT, MODEL, PATIENCE, ROWS, bits, tell

CALLS = 200
WRONG = 77


def tensor():
    made = triton.InferInput(INPUT, list(ROWS.shape), "FP32")
    made.set_data_from_numpy(ROWS)
    return made


answers = queue.Queue()
client = triton.InferenceServerClient(ADDRESS)
outputs = [output.name for output in client.get_model_metadata(MODEL).outputs]
client.start_stream(lambda result, error: answers.put((result, error)), stream_timeout=PATIENCE)
for n in range(CALLS):
    model = "nothing" if n == WRONG else MODEL
    even = n % 2 == 0
    client.async_stream_infer(
        model, [tensor()], request_id=str(n), enable_empty_final_response=even
    )
told = []
for n in range(CALLS):
    result, error = answers.get(timeout=PATIENCE)
    if n == WRONG:
        assert result is None and "unknown model" in error.message(), (result, error)
        continue
    assert error is None, error
    response = result.get_response()
    assert response.id == str(n), (response.id, n)
    final = response.parameters["triton_final_response"].bool_param if n % 2 == 0 else None
    assert final is True or (final is None and not response.parameters), (n, response.parameters)
    told.append({name: bits(result.as_numpy(name)) for name in outputs})
client.stop_stream()
client.close()
assert all(answer == told[0] for answer in told)
tell({"stream": told[0]})
