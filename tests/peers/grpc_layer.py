"""One model behind grpc.aio: `grpc_layer.py MODEL PORT`."""

import asyncio
import sys

import grpc

from models import Model

protos, services = grpc.protos_and_services("chain.proto")


class Layer(services.ModelServicer):
    def __init__(self, model):
        self.model = model

    async def Infer(self, request, context):
        return protos.Values(values=self.model(request.values))


async def main(name, port):
    server = grpc.aio.server()
    services.add_ModelServicer_to_server(Layer(Model(name)), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
