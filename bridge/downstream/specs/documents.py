"""The published specifications as answers: for everybody, to be kept for a while, with an `ETag`.

They are made when first asked for and again only when what is served has changed, so that asking costs nothing.
"""

import functools
from collections.abc import Callable

import msgspec

from bridge.dialects.contract import HttpAnswer
from bridge.downstream.contract import Exchange, House
from bridge.downstream.requests.state import conditional, strong_tag
from bridge.downstream.specs.asyncapi import asyncapi
from bridge.downstream.specs.openapi import Placed, openapi
from bridge.downstream.specs.schemas import Schema

KEPT_SECONDS = 300
"""How long anybody may keep them: a client is made of one once, and a new release is not missed for long."""

Make = Callable[[Placed, str | None], Schema]


async def tell_openapi(house: House, exchange: Exchange) -> HttpAnswer:
    """Answer with the OpenAPI document."""
    return _told(openapi, house, exchange)


async def tell_asyncapi(house: House, exchange: Exchange) -> HttpAnswer:
    """Answer with the AsyncAPI document."""
    return _told(asyncapi, house, exchange)


def _told(make: Make, house: House, exchange: Exchange) -> HttpAnswer:
    placed = tuple((served.dialect, served.prefixes[-1]) for served in house.served)
    body = _body(make, placed, house.listen.public_url)
    answer = HttpAnswer(body=body, status=200)
    return conditional(exchange.request, answer, strong_tag(body), f"public, max-age={KEPT_SECONDS}")


@functools.lru_cache(maxsize=8)
def _body(make: Make, placed: Placed, public_url: str | None) -> bytes:
    return msgspec.json.encode(make(placed, public_url))
