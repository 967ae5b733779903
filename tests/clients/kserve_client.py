"""KServe's client, with values in lists and as bytes."""

import asyncio

import grpc
from kserve import InferenceGRPCClient, InferInput, InferRequest

from question import ADDRESS, INPUT, MODEL, PATIENCE, ROWS, bits, tell


def request(model, binary):
    tensor = InferInput(INPUT, list(ROWS.shape), "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[tensor], request_id="an id")


async def main():
    async with InferenceGRPCClient(ADDRESS, timeout=PATIENCE) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready(MODEL)
        answers = {}
        for way, binary in (("typed", False), ("raw", True)):
            response = await client.infer(request(MODEL, binary))
            assert response.id == "an id" and response.model_name == MODEL
            assert bool(response.outputs[0]._raw_data) == binary, f"{way} in, {way} out"
            answers[way] = {output.name: bits(output.as_numpy()) for output in response.outputs}
        try:
            await client.infer(request("nothing", True))
            raise AssertionError("NOT_FOUND expected")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        return answers


tell(asyncio.run(main()))
