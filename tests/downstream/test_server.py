"""The server with clients that we did not write: curl and `websockets`, plain and with TLS; its limits and its end."""

import select
import shutil
import socket as socket_of
import ssl
from pathlib import Path

import h2.events
import pytest
import structlog.testing
import trio
import trio.testing
import trustme
from websockets.trio.client import connect as websocket

from bridge.dialects.contract import Endpoint, EndpointKind
from bridge.downstream.contract import House
from bridge.downstream.handlers import Handlers
from bridge.downstream.server import serve
from bridge.downstream.settings import AuthSettings, Certificate, LimitSettings, ListenSettings
from bridge.errors import ConfigError
from tests.support.http2 import Http2Client, get
from tests.support.serving import connect, opened, plainly, port_of, small_house, until

STREAM = Endpoint(kind=EndpointKind.SSE, path="/stream")
SOCKET = Endpoint(kind=EndpointKind.WEBSOCKET, path="/ws")
SERVED = (plainly("alpha", STREAM, SOCKET),)

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def nothing(house, exchange):
    raise AssertionError("not asked for")


async def stream(house, exchange, scope, receive, send) -> None:
    """Say hello, and goodbye when the house closes."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
    async with trio.open_nursery() as nursery:

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(listen)
        await house.closing.wait()
        await send({"type": "http.response.body", "body": b"data: goodbye\n\n", "more_body": False})
        nursery.cancel_scope.cancel()


async def stubborn(house, exchange, scope, receive, send) -> None:
    """Never say goodbye."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
    await trio.sleep_forever()


async def socket(house, exchange, scope, receive, send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": exchange.peer.scheme})
    await house.closing.wait()
    await send({"type": "websocket.close", "code": 1012})


def handlers(sse=stream) -> Handlers:
    return Handlers(sse=sse, websocket=socket, poll=nothing, state=nothing, instruments=nothing, mint=nothing)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certified(authority: trustme.CA, tmp_path: Path) -> ListenSettings:
    """Two certificates, for localhost and for other.example."""
    certificates = []
    for names in (("localhost", "127.0.0.1"), ("other.example",)):
        leaf, chain, key = authority.issue_cert(*names), tmp_path / f"{names[0]}.pem", tmp_path / f"{names[0]}.key"
        leaf.cert_chain_pems[0].write_to_path(chain)
        leaf.private_key_pem.write_to_path(key)
        certificates.append(Certificate(certificate=str(chain), private_key=str(key)))
    return ListenSettings(bind=("127.0.0.1:0",), tls_bind=("127.0.0.1:0",), certificates=tuple(certificates))


def trusting(authority: trustme.CA, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(list(protocols))
    return context


@pytest.fixture(autouse=True)
async def _bounded():
    with trio.fail_after(20):
        yield


async def curl(*arguments: str) -> str:
    run = await trio.run_process(["curl", "-sS", "-i", "--max-time", "10", *arguments], capture_stdout=True)
    return run.stdout.decode()


@needs_curl
@pytest.mark.parametrize(
    ("option", "first"),
    [("--http1.1", "HTTP/1.1 200"), ("--http2-prior-knowledge", "HTTP/2 200"), ("--http1.0", "HTTP/1.1 200")],
)
async def test_curl_gets_every_event_and_the_goodbye(option: str, first: str):
    house = small_house(served=SERVED)
    said: list[str] = []
    said_hello = trio.Event()

    async def watched(*parts) -> None:
        said_hello.set()
        await stream(*parts)

    async with trio.open_nursery() as nursery, opened(house, handlers(watched)) as listening:

        async def follow() -> None:
            said.append(await curl("-N", option, f"{listening.urls[0]}/stream"))

        nursery.start_soon(follow)
        await said_hello.wait()
    assert said[0].startswith(first)
    assert said[0].endswith("data: hello\n\ndata: goodbye\n\n")


@needs_curl
async def test_curl_speaks_http2_over_tls(certified: ListenSettings, authority: trustme.CA, tmp_path: Path):
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    async with opened(small_house(served=SERVED, listen=certified), handlers()) as listening:
        url = f"https://localhost:{port_of(listening, 1)}/healthz"
        assert (await curl("--cacert", str(bundle), url)).startswith("HTTP/2 200")
        assert (await curl("--http1.1", "--cacert", str(bundle), url)).startswith("HTTP/1.1 200")


async def test_websockets_are_served_plain_and_with_tls(certified: ListenSettings, authority: trustme.CA):
    async with opened(small_house(served=SERVED, listen=certified), handlers()) as listening:
        async with websocket(f"ws://127.0.0.1:{port_of(listening)}/ws", proxy=None) as client:
            assert await client.recv() == "http"
        url = f"wss://localhost:{port_of(listening, 1)}/ws"
        async with websocket(url, ssl=trusting(authority), proxy=None) as client:
            assert await client.recv() == "https"


async def test_tls_offers_http2_first_and_the_certificate_of_the_name_asked_for(
    certified: ListenSettings, authority: trustme.CA
):
    async with opened(small_house(served=SERVED, listen=certified), handlers()) as listening:
        for name in ("localhost", "other.example"):
            plain = await connect(port_of(listening, 1))
            context = trusting(authority, "http/1.1", "h2")
            secure = trio.SSLStream(plain, context, server_hostname=name, https_compatible=True)
            client = Http2Client(secure)
            await client.start()
            assert secure.selected_alpn_protocol() == "h2"
            host = [
                (b":method", b"GET"),
                (b":path", b"/healthz"),
                (b":scheme", b"https"),
                (b":authority", b"localhost"),
            ]
            assert await client.response(await client.request(host)) == (200, b'{"status":"ok"}')
            await plain.aclose()


async def test_tls_client_that_does_not_read_is_hung_up_on(certified: ListenSettings, authority: trustme.CA):
    async def flood(house, exchange, scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": bytes(50_000), "more_body": True})

    limits = LimitSettings(write_deadline_seconds=0.3, drain_seconds=1)
    async with opened(small_house(served=SERVED, listen=certified, limits=limits), handlers(flood)) as listening:
        plain = await connect(port_of(listening, 1), receive_buffer=4_096)
        secure = trio.SSLStream(plain, trusting(authority), server_hostname="localhost", https_compatible=True)
        await secure.send_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: listening.statistics().connections.stalled > 0)
        await until(lambda: not listening.statistics().connections.connections)
        await plain.aclose()


class Steps(trio.abc.Instrument):
    """How many connections took a step in each turn of the event loop."""

    def __init__(self) -> None:
        self.of_turn: list[int] = []

    def after_io_wait(self, timeout: float) -> None:
        self.of_turn.append(0)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.of_turn and task.name.endswith("_run_handler"):
            self.of_turn[-1] += 1


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="only Linux has epoll")
@pytest.mark.parametrize("what", ["say a byte", "leave"])
async def test_many_that_do_something_at_once_are_served_a_few_in_a_turn(what: str):
    """An event that comes meanwhile is not to wait for all of them."""
    steps = Steps()
    async with opened(small_house(served=SERVED), handlers()) as listening:
        clients = [socket_of.create_connection(("127.0.0.1", port_of(listening))) for _ in range(60)]
        await until(lambda: listening.statistics().connections.connections == 60)
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps)
        for client in clients:
            client.sendall(b"G") if what == "say a byte" else client.close()
        await until(lambda: sum(steps.of_turn) >= 60)
        trio.lowlevel.remove_instrument(steps)
        for client in clients:
            client.close()
    assert max(steps.of_turn) < 12


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="only Linux has epoll")
async def test_those_who_come_and_those_who_speak_stand_back_while_events_wait_to_be_written():
    house, asked = small_house(served=SERVED), []

    def busy() -> bool:
        asked.append(trio.current_time())
        return True

    house.pump.busy = busy
    async with opened(house, handlers()) as listening:
        client = await connect(port_of(listening))
        await until(lambda: listening.statistics().connections.connections == 1)
        assert asked, "somebody came while events waited, and nobody looked"
        before = len(asked)
        await client.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await client.receive_some()).startswith(b"HTTP/1.1 200"), "it is served all the same, a little later"
        assert len(asked) > before
        await client.aclose()


async def test_streams_say_goodbye_and_http2_connections_goaway():
    house = small_house(served=SERVED)
    async with opened(house, handlers()) as listening:
        client = Http2Client(await connect(port_of(listening)))
        await client.start()
        first, second = [await client.request(get(b"/stream")) for _ in range(2)]
        await client.until(h2.events.DataReceived, second)
        house.closing.set()
        for stream_id in (first, second):
            _, body = await client.response(stream_id)
            assert body.endswith(b"data: goodbye\n\n")
        await client.until(h2.events.ConnectionTerminated)
        await client.stream.aclose()
    assert listening.statistics().connections.contained == 0


async def test_draining_server_takes_no_more_connections_and_refuses_new_streams_as_safe_to_repeat():
    house = small_house(served=SERVED)
    async with opened(house, handlers(stubborn)) as listening:
        client = Http2Client(await connect(port_of(listening)))
        await client.start()
        await client.until(h2.events.DataReceived, await client.request(get(b"/stream")))
        house.closing.set()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="refused"):
            await connect(port_of(listening))
        reset = await client.until(h2.events.StreamReset, await client.request(get(b"/stream")))
        assert isinstance(reset, h2.events.StreamReset)
        assert reset.error_code == 7  # REFUSED_STREAM, RFC 9113 §8.7
        await client.stream.aclose()


async def test_stream_that_says_no_goodbye_is_cut_after_the_drain():
    limits = LimitSettings(drain_seconds=0.2)
    async with opened(small_house(served=SERVED, limits=limits), handlers(stubborn)) as listening:
        client = await connect(port_of(listening))
        await client.send_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await client.receive_some()
    with pytest.raises(trio.BrokenResourceError):  # noqa: PT012 - behind what had come before
        while await client.receive_some():
            pass
    await client.aclose()


async def test_drain_does_not_wait_for_who_has_not_asked_anything(certified: ListenSettings):
    limits = LimitSettings(drain_seconds=1_000)
    # Their own deadline for the first request, 10 s, would end them too: this is about not waiting for it.
    with trio.fail_after(6):
        await drained_with_silent_clients(small_house(served=SERVED, listen=certified, limits=limits))


async def drained_with_silent_clients(house: House) -> None:
    async with opened(house, handlers()) as listening:
        silent = [await connect(port_of(listening, index)) for index in (0, 1)]
        await until(lambda: listening.statistics().connections.connections == 2)
    for client in silent:
        await client.aclose()


@pytest.mark.parametrize(("bind", "warned"), [("127.0.0.1:0", False), ("0.0.0.0:0", True)])
async def test_listening_beyond_this_machine_without_tls_is_warned_of(bind: str, warned: bool):
    house = small_house(listen=ListenSettings(bind=(bind,)), auth=AuthSettings(mode="jwt"))
    with structlog.testing.capture_logs() as logs:
        async with opened(house, handlers()):
            pass
    assert [entry["log_level"] for entry in logs if entry["event"] == "listening_without_tls"] == ["warning"] * warned


async def test_a_mistake_in_the_configuration_is_told_before_anything_listens():
    listen = ListenSettings(bind=("0.0.0.0:0",))
    with pytest.raises(ConfigError, match="allow_anonymous"):
        await serve(small_house(listen=listen, auth=AuthSettings(mode="none")))
