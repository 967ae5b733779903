"""The whole chain in one process, over HTTP: `uvicorn chain_http:app --workers 2`."""

from fastapi import FastAPI
from pydantic import BaseModel

from models import Model, chosen

app = FastAPI()
strategic, tactical, operational = Model("strategic"), Model("tactical"), Model("operational")


class Row(BaseModel):
    strategic: list[float]
    tactical: list[float]
    operational: list[float]


class Decision(BaseModel):
    provider: int
    placement: int
    forecast: list[float]


# FastAPI advises `async` for functions that do not block. A thread for each request would cost more
# than these models.
@app.post("/decide")
async def decide(row: Row) -> Decision:
    provider = int(strategic(row.strategic).argmax())
    placement = int(tactical(chosen(provider, row.tactical)).argmax())
    forecast = operational(row.operational).tolist()
    return Decision(provider=provider, placement=placement, forecast=forecast)
