"""`feedbridge tail` as a process, against a server that sends literal bytes and knows nothing of ours."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager

import pytest
import trio

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
STREAM = (
    b'id: e-0\nevent: stream\ndata: {"type":"stream","id":"e-0","stream":"x","verdict":"fresh","topics":["trade:A"],'
    b'"limits":{}}\n\n'
)


def trade(number: int) -> bytes:
    return (
        b'id: e-%d\nevent: trade\ndata: {"type": "trade","id":"e-%d","instrument":"A","price":"1.50","size":"0.0"}\n\n'
        % (
            number,
            number,
        )
    )


def refusal(status: str, code: str, message: str, *headers: str) -> bytes:
    body = json.dumps({"error": {"code": code, "message": message, "retry": "no"}}).encode()
    head = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


class Script:
    """What each connection in turn is answered; the last one holds its connection open."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.answered = trio.Event()
        self.url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                chunk = await stream.receive_some()
                if not chunk:
                    return
                request += chunk
            self.requests.append(request.decode())
            await stream.send_all(self.answers.pop(0))
            if not self.answers:
                self.answered.set()
                await trio.sleep_forever()


@asynccontextmanager
async def serving(*answers: bytes):
    script = Script(*answers)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            script.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            nursery.start_soon(trio.serve_listeners, script.serve, [listener])
            yield script
            nursery.cancel_scope.cancel()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bridge", "tail", *arguments]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "FEEDBRIDGE_TOKEN"}
    return {**kept, "COLUMNS": "120", **more}


async def tail(*arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return await trio.run_process(
        command(*arguments), capture_stdout=True, capture_stderr=True, check=False, env=environment(**env)
    )


def sentences(process: subprocess.CompletedProcess[bytes]) -> Sequence[str]:
    told = process.stderr.decode()
    assert "Traceback" not in told
    return told.splitlines()


async def test_lines_are_the_events_bytes_and_the_count_leaves_out_what_was_not_asked_for():
    async with serving(HEAD + STREAM + trade(1) + b": heartbeat\n\n" + trade(2) + trade(3)) as script:
        process = await tail(script.url, "trade:A", "quote:B&C,bar.5m:D", "--count", "2", FEEDBRIDGE_TOKEN="s3cret")
    assert process.returncode == 0
    lines = process.stdout.splitlines()
    expected = [STREAM, trade(1), trade(2)]
    assert lines == [event.split(b"data: ")[1].strip() for event in expected]
    (request,) = script.requests
    assert request.startswith("GET /v1/stream?subscribe=trade:A,quote:B%26C,bar.5m:D HTTP/1.1\r\n")
    assert re.search(r"(?mi)^authorization: Bearer s3cret\r$", request)
    assert not re.search(r"(?mi)^last-event-id", request)
    assert sentences(process) == []


async def test_a_lost_stream_is_resumed_after_the_last_event():
    async with serving(HEAD + b"retry: 10\n\n" + STREAM + trade(1) + trade(2)[:-1], HEAD + trade(2)) as script:
        process = await tail(script.url, "trade:A", "--count", "2")
    assert process.returncode == 0
    assert [json.loads(line)["id"] for line in process.stdout.splitlines()] == ["e-0", "e-1", "e-2"]
    assert re.search(r"(?mi)^last-event-id: e-1\r$", script.requests[1])
    (told,) = sentences(process)
    assert re.fullmatch(r"feedbridge: the stream ended; coming back in 0\.0 s", told)


async def test_a_stream_cut_inside_a_chunk_is_resumed_too():
    chunked = HEAD.replace(b"connection: close", b"transfer-encoding: chunked")
    cut = b"retry: 10\n\n" + trade(1)
    async with serving(chunked + b"%x\r\n" % (len(cut) + 100) + cut, HEAD + trade(2)) as script:
        process = await tail(script.url, "trade:A", "--count", "2")
    assert process.returncode == 0
    assert [json.loads(line)["id"] for line in process.stdout.splitlines()] == ["e-1", "e-2"]
    assert len(script.requests) == 2


async def test_gaps_and_trouble_are_said_to_people_and_pass_as_events_to_programs():
    trouble = (
        b'data: {"type":"gap","id":"e-3","topics":["trade:A"],"from":"e-1","to":"e-3","cause":"upstream","repaired":false}\n\n'
        b'data: {"type":"feed_status","id":"e-4","feed":"liquidity","status":"down","reason":"no \\u001b[31manswer"}\n\n'
        b'data: {"type":"problem","id":"e-4","code":"unknown_instrument","message":"no such thing","topic":"trade:B"}\n\n'
    )
    async with serving(HEAD + trouble + trade(5)) as script:
        process = await tail(script.url, "trade:A", "--count", "1")
    assert [json.loads(line)["type"] for line in process.stdout.splitlines()] == [
        *("gap", "feed_status", "problem", "trade")
    ]
    assert sentences(process) == [
        "feedbridge: gap in trade:A: lost, from e-1 to e-3 (cause: upstream)",
        "feedbridge: feed liquidity is down: no ?[31manswer",
        "feedbridge: unknown_instrument: no such thing",
    ]


async def test_health_counts_when_it_was_asked_for():
    status = b'data: {"type":"feed_status","id":"e-4","feed":"liquidity","status":"live"}\n\n'
    async with serving(HEAD + STREAM + status) as script:
        assert (await tail(script.url, "status", "--count", "1")).returncode == 0


async def test_a_goodbye_says_whether_to_come_back():
    now = b'id: e-7\ndata: {"type":"goaway","id":"e-7","reason":"slow_consumer","retry":"now"}\n\n'
    after = b'id: e-8\ndata: {"type":"goaway","id":"e-8","reason":"going_away","retry":"after","retry_after_ms":5}\n\n'
    expired = b'data: {"type":"goaway","id":"e-9","reason":"token_expired","retry":"after"}\n\n'
    async with serving(HEAD + now, HEAD + after, HEAD + expired) as script:
        process = await tail(script.url, "trade:A")
    assert process.returncode == 1
    assert [re.search(r"(?mi)^last-event-id: (.*)\r$", request)[1] for request in script.requests[1:]] == ["e-7", "e-8"]
    assert sentences(process) == [
        "feedbridge: the bridge hung up (slow_consumer); coming back in 0.0 s",
        "feedbridge: the bridge hung up (going_away); coming back in 0.0 s",
        "feedbridge: the bridge ended the stream: token_expired; get a new token (feedbridge token) and start again",
    ]


async def test_a_refusal_that_passes_is_waited_for_and_one_that_does_not_ends_it():
    busy = refusal("429 Too Many Requests", "too_many_connections", "five are open", "retry-after: 0")
    no = refusal("403 Forbidden", "forbidden", "trade:A is not granted")
    async with serving(busy, no) as script:
        process = await tail(script.url, "trade:A", "--token", "s3cret")
    assert process.returncode == 1
    assert sentences(process) == [
        "feedbridge: too_many_connections: five are open; coming back in 0.0 s",
        "feedbridge: the bridge refused (forbidden): trade:A is not granted; ask for a token that grants these topics",
    ]
    assert b"s3cret" not in process.stderr


async def test_a_page_is_not_a_bridge():
    async with serving(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi") as script:
        process = await tail(script.url, "trade:A")
    assert process.returncode == 1
    assert "not with an event stream" in sentences(process)[0]


async def test_nobody_there_is_one_sentence():
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    await listener.aclose()
    with trio.fail_after(60):
        process = await tail(url, "trade:A")
    assert process.returncode == 1
    (told,) = sentences(process)
    assert told.startswith(f"feedbridge: cannot reach {url}: ")
    assert told.endswith("; is the bridge running there?")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["http://127.0.0.1:1", "candle:A"], ["no topic kind 'candle'"]),
        (["127.0.0.1:8080", "quote:A"], ["is no URL of a bridge"]),
        (["http://127.0.0.1:99999", "quote:A", "bar:B"], ["is no URL of a bridge", "needs an interval"]),
        (["http://127.0.0.1:1", "quote:A", "--count", "0"], ["--count: at least 1"]),
        (["http://127.0.0.1:1", "quote:A", "--token", "a\nb"], ["the token holds characters"]),
    ],
)
async def test_a_wrong_command_line_names_every_mistake(arguments, words):
    with trio.fail_after(60):
        process = await tail(*arguments)
    assert process.returncode == 2
    told = sentences(process)
    assert len(told) == len(words)
    assert all(word in sentence for word, sentence in zip(words, told, strict=True))


async def test_on_a_terminal_it_is_a_table():
    mine, its = os.openpty()
    drawn = b""
    async with serving(HEAD + STREAM + trade(1) + trade(2)) as script, trio.lowlevel.FdStream(mine) as screen:
        process = await trio.lowlevel.open_process(
            command(script.url, "trade:A", "--count", "2"), stdout=its, stderr=its, env=environment(TERM="xterm")
        )
        os.close(its)
        with contextlib.suppress(trio.BrokenResourceError):  # Linux's way to say that the other end is gone
            async for chunk in screen:
                drawn += chunk
        assert await process.wait() == 0
    assert b"trade A" in drawn
    assert b"0.0 @ 1.50" in drawn
    assert b'{"type"' not in drawn


async def test_an_interrupt_is_130_without_a_word():
    async with serving(HEAD + STREAM) as script:
        process = await trio.lowlevel.open_process(
            command(script.url, "trade:A"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        async with process.stdout, process.stderr:
            assert b'"stream"' in await process.stdout.receive_some()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
            assert await process.stderr.receive_some() == b""


async def test_a_reader_that_has_enough_is_no_error():
    async with serving(HEAD + b"retry: 1\n\n" + STREAM, *[HEAD + trade(n) for n in range(1, 40)]) as script:
        process = await trio.lowlevel.open_process(
            command(script.url, "trade:A"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        )
        async with process.stderr:
            assert b'"stream"' in await process.stdout.receive_some()
            await process.stdout.aclose()
            assert await process.wait() == 0
            told = b"".join([chunk async for chunk in process.stderr])
    assert b"Traceback" not in told
    assert b"BrokenPipe" not in told
