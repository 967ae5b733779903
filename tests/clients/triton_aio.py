"""Triton's asynchronous client: many calls at once, and a stream."""

import asyncio

import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from question import ADDRESS, INPUT, MODEL, PATIENCE, ROWS, bits, tell

CALLS = 100


def tensor():
    made = triton.InferInput(INPUT, list(ROWS.shape), "FP32")
    made.set_data_from_numpy(ROWS)
    return made


async def main():
    async with triton.InferenceServerClient(ADDRESS) as client:
        assert await client.is_server_ready() and await client.is_model_ready(MODEL)
        outputs = [output.name for output in (await client.get_model_metadata(MODEL)).outputs]
        told = lambda result: {name: bits(result.as_numpy(name)) for name in outputs}

        def call(n):
            return client.infer(MODEL, [tensor()], request_id=str(n), client_timeout=PATIENCE)

        results = await asyncio.gather(*(call(n) for n in range(CALLS)))
        assert [result.get_response().id for result in results] == [str(n) for n in range(CALLS)]
        answers = [told(result) for result in results]
        assert all(answer == answers[0] for answer in answers), "the same rows, different answers"

        async def requests():
            for n in range(CALLS):
                yield {"model_name": MODEL, "inputs": [tensor()], "request_id": str(n)}

        streamed = []
        async for result, error in client.stream_infer(requests(), stream_timeout=PATIENCE):
            assert error is None, error
            assert result.get_response().id == str(len(streamed))
            streamed.append(told(result))
        assert len(streamed) == CALLS and all(answer == streamed[0] for answer in streamed)

        try:
            await client.infer("nothing", [tensor()])
            raise AssertionError("NOT_FOUND expected")
        except InferenceServerException as error:
            assert error.status() == "StatusCode.NOT_FOUND", error
        return {"calls": answers[0], "stream": streamed[0]}


tell(asyncio.run(main()))
