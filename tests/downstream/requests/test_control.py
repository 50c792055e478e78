"""The control plane: bodies within bounds, polls that end with their client, and how we are."""

import msgspec
import pytest
import trio

from bridge.dialects.contract import Endpoint, EndpointKind, HttpAnswer
from bridge.downstream.handlers import Handlers
from bridge.downstream.readiness import FeedReadiness, Readiness
from bridge.downstream.requests.control import MAX_BODY_BYTES
from bridge.model import FeedName
from tests.support.serving import connect, opened, plainly, port_of, small_house

MINT = Endpoint(kind=EndpointKind.MINT, path="/mint", method="POST")
POLL = Endpoint(kind=EndpointKind.STATE, path="/poll")
SERVED = (plainly("alpha", MINT, POLL),)


async def never(house, exchange, scope, receive, send) -> None:
    raise AssertionError("no stream is asked for")


class Poller:
    """Waits for ever, as a long poll does whose topics stay quiet."""

    def __init__(self) -> None:
        self.began, self.ended = trio.Event(), trio.Event()

    async def __call__(self, house, exchange) -> HttpAnswer:
        self.began.set()
        try:
            await trio.sleep_forever()
        finally:
            self.ended.set()


async def echo(house, exchange) -> HttpAnswer:
    return HttpAnswer(body=exchange.request.body)


def handlers(state=echo) -> Handlers:
    return Handlers(sse=never, websocket=never, poll=echo, instruments=echo, state=state, mint=echo)


async def asked(port: int, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send a whole request that ends its connection; return status, headers and body."""
    stream = await connect(port)
    await stream.send_all(request)
    data = b"".join([bytes(piece) async for piece in stream])
    await stream.aclose()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return int(first.split()[1]), dict(line.lower().split(b": ", 1) for line in lines), body


def get(path: bytes) -> bytes:
    return b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def post(length: int, body: bytes) -> bytes:
    return b"POST /mint HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length + body


@pytest.fixture(autouse=True)
async def _bounded():
    with trio.fail_after(20):
        yield


async def test_healthz_says_that_we_live():
    async with opened(small_house(), handlers()) as listening:
        status, headers, body = await asked(port_of(listening), get(b"/healthz"))
        assert (status, msgspec.json.decode(body)) == (200, {"status": "ok"})
        assert (headers[b"content-type"], headers[b"cache-control"]) == (b"application/json", b"no-store")


async def test_readyz_says_how_the_feeds_are():
    state = {"ready": False}

    def readiness() -> Readiness:
        feeds = (FeedReadiness(feed=FeedName("liquidity"), status="down", wanted=True, reason="connection refused"),)
        return Readiness(ready=state["ready"], feeds=feeds)

    feeds = [{"feed": "liquidity", "status": "down", "wanted": True, "reason": "connection refused"}]
    async with opened(small_house(readiness=readiness), handlers()) as listening:
        status, headers, body = await asked(port_of(listening), get(b"/readyz"))
        assert (status, msgspec.json.decode(body)) == (503, {"status": "not ready", "feeds": feeds})
        assert headers[b"cache-control"] == b"no-store"
        state["ready"] = True
        status, _, body = await asked(port_of(listening), get(b"/readyz"))
        assert (status, msgspec.json.decode(body)) == (200, {"status": "ready", "feeds": feeds})


async def test_body_reaches_its_handler_up_to_the_bound():
    async with opened(small_house(served=SERVED), handlers()) as listening:
        whole = b"x" * MAX_BODY_BYTES
        assert (await asked(port_of(listening), post(len(whole), whole)))[2] == whole


async def test_body_that_is_too_long_is_refused_before_it_has_come():
    async with opened(small_house(served=SERVED), handlers()) as listening:
        status, _, body = await asked(port_of(listening), post(MAX_BODY_BYTES + 1, b"x"))
        assert (status, msgspec.json.decode(body)["alpha"]) == (413, "bad_request")


async def test_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bridge.downstream.requests.control.BODY_SECONDS", 0.1)
    async with opened(small_house(served=SERVED), handlers()) as listening:
        status, _, body = await asked(port_of(listening), post(10, b"x"))
        assert (status, msgspec.json.decode(body)["alpha"]) == (408, "bad_request")


async def test_client_that_leaves_ends_its_long_poll():
    poller = Poller()
    async with opened(small_house(served=SERVED), handlers(poller)) as listening:
        stream = await connect(port_of(listening))
        await stream.send_all(b"GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await poller.began.wait()
        await stream.aclose()
        await poller.ended.wait()


async def test_drain_ends_a_long_poll_that_does_not_end_by_itself():
    poller = Poller()
    house = small_house(served=SERVED)
    async with opened(house, handlers(poller)) as listening:
        stream = await connect(port_of(listening))
        await stream.send_all(b"GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await poller.began.wait()
    assert poller.ended.is_set()
    await stream.aclose()
