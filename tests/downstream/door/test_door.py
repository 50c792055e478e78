"""Who is let in: refusals that say when to come back, on every transport, cheap and few; nobody inside is troubled."""

import json
import os
import socket
import ssl
from contextlib import suppress

import h2.errors
import h2.events
import pytest
import trio
import trustme

from bridge.dialects.contract import Endpoint, EndpointKind
from bridge.downstream.door import door
from bridge.downstream.door.door import OWN_FILES, REFUSALS_AT_ONCE, most_connections
from bridge.downstream.door.visitors import MOST_ADDRESSES, Visitors, household
from bridge.downstream.guard.guard import Guard
from bridge.downstream.handlers import Handlers
from bridge.downstream.settings import Certificate, LimitSettings, ListenSettings
from tests.support.http2 import Http2Client, get
from tests.support.serving import connect, opened, plainly, port_of, small_house, until

SERVED = (plainly("alpha", Endpoint(kind=EndpointKind.SSE, path="/stream")),)
ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_WORD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: bKdPyn3u98cTfZJSh4TNeQ==\r\n\r\n"
)


async def stream(house, exchange, scope, receive, send) -> None:
    """Say hello, and then every hundredth of a second that it lives."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while not house.closing.is_set():
        await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
        await trio.sleep(0.01)


async def anybody(scope, receive, send):
    """Serve nobody: no request is made."""


async def nothing(*_):
    raise AssertionError("not asked for")


HANDLERS = Handlers(sse=stream, websocket=nothing, poll=nothing, state=nothing, instruments=nothing, mint=nothing)


@pytest.fixture(autouse=True)
async def _bounded():
    with trio.fail_after(20):
        yield


async def said(client: trio.abc.Stream) -> bytes:
    """Read to the end, however it comes."""
    data = b""
    with suppress(trio.BrokenResourceError):
        async for piece in client:
            data += piece
    await trio.aclose_forcefully(client)
    return data


@pytest.mark.parametrize(
    ("limits", "trusted", "welcome", "status"),
    [
        (LimitSettings(connections_per_address=2), (), 2, b"429"),
        (LimitSettings(connections=2), (), 2, b"503"),
        (LimitSettings(connections_per_address=2), ("127.0.0.1",), 3, b""),
        (LimitSettings(connections_per_address=0, connections=0), (), 3, b""),
    ],
    ids=["per address", "in all", "a proxy's address", "unlimited"],
)
async def test_connections_beyond_the_limit_are_refused_with_a_time_to_come_back_and_room_is_given_back(
    limits: LimitSettings, trusted: tuple[str, ...], welcome: int, status: bytes
):
    listen = ListenSettings(bind=("127.0.0.1:0",), trusted_proxies=trusted)
    async with opened(small_house(served=SERVED, listen=listen, limits=limits), HANDLERS) as listening:
        clients = []
        for index in range(3):
            clients.append(await connect(port_of(listening)))
            await clients[-1].send_all(ASK)
            if index < welcome:
                assert (await clients[-1].receive_some()).startswith(b"HTTP/1.1 200")
            else:
                head, _, body = (await said(clients[-1])).partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 " + status)
                assert b"\r\nretry-after: 5" in head.lower()
                assert json.loads(body)["error"]["retry"] == "after"
        assert listening.statistics().refused == 3 - welcome
        for client in clients:
            await client.aclose()
        await until(lambda: not listening.statistics().connections.connections)
        again = await connect(port_of(listening))
        await again.send_all(ASK)
        assert (await again.receive_some()).startswith(b"HTTP/1.1 200")
        await again.aclose()


async def test_websocket_http2_and_tls_clients_are_refused_in_their_own_words(tmp_path):
    authority = trustme.CA()
    leaf, chain, key = authority.issue_cert("localhost"), tmp_path / "chain.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(chain)
    leaf.private_key_pem.write_to_path(key)
    listen = ListenSettings(
        bind=("127.0.0.1:0",),
        tls_bind=("127.0.0.1:0",),
        certificates=(Certificate(certificate=str(chain), private_key=str(key)),),
    )
    house = small_house(served=SERVED, listen=listen, limits=LimitSettings(connections=1))
    async with opened(house, HANDLERS) as listening:
        inside = await connect(port_of(listening))
        await inside.send_all(ASK)
        await inside.receive_some()

        upgrade = await connect(port_of(listening))
        await upgrade.send_all(UPGRADE)
        answer = await said(upgrade)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 5" in answer.lower()

        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        trusting.set_alpn_protocols(["h2"])
        plain = await connect(port_of(listening, 1))
        client = Http2Client(trio.SSLStream(plain, trusting, server_hostname="localhost", https_compatible=True))
        await client.start()
        status, body = await client.response(await client.request(get(b"/stream", scheme=b"https")))
        assert status == 503
        assert json.loads(body)["error"]["code"] == "overloaded"
        await trio.aclose_forcefully(client.stream)
        await inside.aclose()


async def test_a_full_house_serves_those_inside_and_is_patient_with_few_outside():
    """A hundred silent callers: 64 may take their time to ask, the others are closed at once; a stream inside goes on."""
    limits = LimitSettings(connections=1, drain_seconds=0)
    async with opened(small_house(served=SERVED, limits=limits), HANDLERS) as listening:
        inside = await connect(port_of(listening))
        await inside.send_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await inside.receive_some()
        outside = [await connect(port_of(listening)) for _ in range(REFUSALS_AT_ONCE + 36)]
        await until(lambda: listening.statistics().refused == len(outside))
        closed = 0
        async with trio.open_nursery() as nursery:

            async def follow(client: trio.SocketStream) -> None:
                nonlocal closed
                assert await said(client) == b""
                closed += 1

            for client in outside:
                nursery.start_soon(follow, client)
            await until(lambda: closed >= 36)
            for _ in range(20):
                assert await inside.receive_some()
        await inside.aclose()


@pytest.mark.parametrize(
    ("at_once", "per_second", "told"), [(2, 1_000, 2), (1_000, 0.001, 0)], ids=["at once", "a second"]
)
async def test_a_full_house_tells_few_of_those_outside(monkeypatch, at_once: int, per_second: float, told: int):
    """Who is told is waited for, and so are not many; nor do many of those that are quick cost an answer each."""
    monkeypatch.setattr(door, "REFUSALS_AT_ONCE", at_once)
    monkeypatch.setattr(door, "REFUSALS_PER_SECOND", per_second)
    async with opened(small_house(served=SERVED, limits=LimitSettings(connections=1)), HANDLERS) as listening:
        inside = await connect(port_of(listening))
        await inside.send_all(ASK)
        await inside.receive_some()
        outside = [await connect(port_of(listening)) for _ in range(6)]
        await until(lambda: listening.statistics().refused == 6)
        for client in outside:
            with suppress(trio.BrokenResourceError):
                await client.send_all(ASK)
        answers = [await said(client) for client in outside]
        assert [answer[:12] for answer in answers] == [b"HTTP/1.1 503"] * told + [b""] * (6 - told)
        await inside.aclose()


async def test_clients_behind_a_trusted_proxy_come_as_often_as_they_like():
    limits = LimitSettings(arrivals_per_address_per_second=0.001, connections_per_address=1)
    listen = ListenSettings(bind=("127.0.0.1:0",), trusted_proxies=("127.0.0.1",))
    async with opened(small_house(served=SERVED, limits=limits, listen=listen), HANDLERS) as listening:
        for _ in range(4):
            client = await connect(port_of(listening))
            await client.send_all(LAST_WORD)
            assert (await said(client)).startswith(b"HTTP/1.1 200")


async def test_the_kernel_looks_after_clients_whose_machine_vanishes():
    """A cut cable sends no FIN: what was sent and not confirmed for half a minute, or asked in vain, ends the connection."""
    guard = Guard(anybody, 1)
    house_door = door.Door(guard, LimitSettings(), ())
    async with trio.open_nursery() as nursery:
        ours, theirs = trio.socket.socket(), await trio.open_tcp_listeners(0, host="127.0.0.1")
        await ours.connect(theirs[0].socket.getsockname())
        nursery.start_soon(house_door.enter, await theirs[0].accept())
        await until(lambda: bool(guard.live))
        (connection,) = guard.live
        assert connection.socket.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.socket.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        ours.close()
        await theirs[0].aclose()


async def test_an_address_that_comes_too_often_is_closed_unread_and_may_come_again_later():
    limits = LimitSettings(arrivals_per_address_per_second=0.5, connections_per_address=3)  # five at once
    async with opened(small_house(served=SERVED, limits=limits), HANDLERS) as listening:
        for _ in range(5):
            client = await connect(port_of(listening))
            await client.send_all(LAST_WORD)
            assert (await said(client)).startswith(b"HTTP/1.1 200")
        client = await connect(port_of(listening))
        assert await said(client) == b""
        assert listening.statistics().refused == 1
        assert listening.statistics().connections.accepted == 5
        while listening.statistics().connections.accepted == 5:  # one more after two seconds
            client = await connect(port_of(listening))
            with suppress(trio.BrokenResourceError):
                await client.send_all(LAST_WORD)
            await said(client)
            await trio.sleep(0.2)


@pytest.mark.parametrize("open_stream", [False, True], ids=["", "with a stream open"])
async def test_who_guesses_over_http2_is_told_to_calm_down(open_stream):
    limits = LimitSettings(arrivals_per_address_per_second=0.1, connections_per_address=5)
    async with opened(small_house(served=SERVED, limits=limits), HANDLERS) as listening:
        client = Http2Client(await connect(port_of(listening)))
        await client.start()
        if open_stream:
            await client.request(get(b"/stream"))
        for _ in range(4):  # its connection was the first
            assert (await client.response(await client.request(get(b"/guess"))))[0] == 404
        await client.request(get(b"/guess"))
        end = await client.until(h2.events.ConnectionTerminated)
        assert end.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
        await trio.aclose_forcefully(client.stream)
        assert listening.statistics().connections.unruly == 1
        assert listening.statistics().connections.contained == 0


@pytest.mark.parametrize(("trusted", "guesses"), [((), 5), (("127.0.0.1",), 30)], ids=["", "by way of a proxy"])
async def test_who_guesses_over_http1_comes_no_faster_than_an_address_may(trusted: tuple[str, ...], guesses: int):
    limits = LimitSettings(arrivals_per_address_per_second=0.1, connections_per_address=5)
    listen = ListenSettings(bind=("127.0.0.1:0",), trusted_proxies=trusted)
    async with opened(small_house(served=SERVED, listen=listen, limits=limits), HANDLERS) as listening:
        client = await connect(port_of(listening))
        await client.send_all(ASK.replace(b"healthz", b"guess") * guesses + LAST_WORD)
        answers = await said(client)
        if trusted:
            assert answers.count(b"HTTP/1.1 404") == guesses
            assert answers.count(b"HTTP/1.1 200") == 1
        else:
            assert answers.count(b"HTTP/1.1 404") == guesses
            assert answers.count(b"HTTP/1.1 200") == 0
            assert answers.lower().count(b"connection: close") == 1
            assert await said(await connect(port_of(listening))) == b""


async def test_an_address_has_a_burst_and_then_its_rate():
    visitors, limits = Visitors(), LimitSettings(arrivals_per_address_per_second=2, connections_per_address=5)
    assert [visitors.arrives("a", 0, limits) for _ in range(21)] == [True] * 20 + [False]
    assert visitors.arrives("b", 0, limits), "another's matter"
    assert [visitors.arrives("a", 1, limits) for _ in range(3)] == [True, True, False]
    assert [visitors.arrives("a", 1_000, limits) for _ in range(21)] == [True] * 20 + [False]
    many = LimitSettings(arrivals_per_address_per_second=2, connections_per_address=500)
    assert sum(visitors.arrives("c", 0, many) for _ in range(1_000)) == 500
    none = LimitSettings(arrivals_per_address_per_second=0)
    assert all(visitors.arrives("d", 0, none) for _ in range(10_000))


async def test_addresses_that_came_are_forgotten_before_they_fill_the_memory():
    visitors, limits = Visitors(), LimitSettings()
    for number in range(MOST_ADDRESSES + 10):
        assert visitors.arrives(str(number), 0, limits)
    assert len(visitors._paces) == 10
    visitors.come("a")
    visitors.leave("a")
    assert not visitors._open


async def test_who_has_one_ipv6_address_has_all_of_its_network():
    assert household("2001:db8:1:2:3:4:5:6") == household("2001:db8:1:2::9") != household("2001:db8:1:3::9")
    assert household("192.0.2.1") == "192.0.2.1"
    assert household("fe80::1") == household("fe80::2")
    assert household("no:address") == "no:address"


@pytest.mark.parametrize(
    ("limit", "files", "most"), [(20_000, 1_024, 768), (100, 1_024, 100), (0, 1_024, 768), (50, -1, 50)]
)
async def test_our_own_files_keep_their_share_of_what_the_system_allows(monkeypatch, limit: int, files: int, most: int):
    monkeypatch.setattr(os, "sysconf", {"SC_OPEN_MAX": files}.__getitem__)
    assert most_connections(limit) == most
    assert OWN_FILES > REFUSALS_AT_ONCE


async def test_a_system_without_a_bound_bounds_nothing(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert door.most_connections(0) > 1_000_000
