"""Asks three layers in turn.

`grpc_coordinator.py PORT STRATEGIC TACTICAL OPERATIONAL`: its port and the addresses of the layers.
"""

import asyncio
import sys

import grpc
import numpy as np

from models import chosen

protos, services = grpc.protos_and_services("chain.proto")


class Coordinator(services.ChainServicer):
    def __init__(self, layers):
        self.strategic, self.tactical, self.operational = layers

    async def Decide(self, request, context):
        provider = await self.best(self.strategic, request.strategic)
        placement = await self.best(self.tactical, chosen(provider, request.tactical))
        forecast = await self.operational.Infer(protos.Values(values=request.operational))
        return protos.Decision(provider=provider, placement=placement, forecast=forecast.values)

    @staticmethod
    async def best(layer, values):
        scores = await layer.Infer(protos.Values(values=values))
        return int(np.argmax(scores.values))


async def main(port, *addresses):
    # One channel to each layer stays open while the server runs.
    channels = [grpc.aio.insecure_channel(address) for address in addresses]
    server = grpc.aio.server()
    layers = [services.ModelStub(channel) for channel in channels]
    services.add_ChainServicer_to_server(Coordinator(layers), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
