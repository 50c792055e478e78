"""The bridge dies without a word (SIGKILL) and is started again: clients come back with their cursors and are told the truth.

The new life knows nothing of the old one: the verdict is `reset`, each log topic has one `gap` that begins at exactly the
client's cursor, and what stands comes whole. Nothing is said twice.
"""

import json
import signal
from contextlib import ExitStack, suppress

import httpx2
import pytest
import trio
from websockets.exceptions import WebSocketException

from tests.support.commands import free_port, running
from tests.support.readers import TRANSPORTS, Reader, read_until, until
from tests.support.truth import Book, offset

CONFIG = """
[listen]
bind = ["127.0.0.1:{port}"]
[auth]
mode = "none"
[feeds.liquidity]
dialect = "liquidity"
transports = ["sse"]
url = "{url}"
[instruments."BTC-USD"]
liquidity = {{ sse = "BTC", websocket = "BTC-USD", rest = "BTC" }}
"""
TOPICS = "trade:BTC-USD,book:BTC-USD"
CUT = (OSError, httpx2.HTTPError, WebSocketException, json.JSONDecodeError)


def epoch(cursor: str) -> str:
    return cursor.rpartition("-")[0]


def has_begun(reader: Reader, verdicts: int = 1) -> bool:
    return len(reader.verdicts) >= verdicts and len(reader.of("trade")) > 3 and bool(reader.of("book_snapshot"))


async def until_cut(follow, url, reader):
    """Follow until the other end is gone."""
    with suppress(*CUT):
        await follow(url, reader)


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_after_a_kill_and_a_restart_a_client_with_its_cursor_gets_an_honest_reset(name, tmp_path):
    follow, port = TRANSPORTS[name], free_port()
    url = f"http://127.0.0.1:{port}"
    with running("simulate", "liquidity", "--anonymous", "--speed", "5") as party, ExitStack() as stack:
        (tmp_path / "bridge.toml").write_text(CONFIG.format(url=party.wait_for(r" at (http\S+)")[1], port=port))

        def serve():
            command = stack.enter_context(running("serve", "--config", str(tmp_path / "bridge.toml")))
            command.wait_for("feedbridge serves")
            return command

        with trio.fail_after(90):
            reader = Reader(TOPICS)
            command = await trio.to_thread.run_sync(serve)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(until_cut, follow, url, reader)
                await until(lambda: has_begun(reader), 60)
                command.process.send_signal(signal.SIGKILL)
                assert await trio.to_thread.run_sync(command.process.wait, 30) == -signal.SIGKILL
            assert not reader.of("goaway", "gap"), "it died without a word"

            await trio.to_thread.run_sync(serve)
            back = Reader(TOPICS, cursor=reader.cursor)
            await read_until(follow, url, back, lambda: has_begun(back))
            again = Reader(TOPICS, cursor=back.cursor)
            await read_until(follow, url, again, lambda: again.verdicts)
    assert back.verdicts[0] == "reset"
    gaps = back.of("gap")
    holes = {gap["topics"][0]: gap for gap in gaps if gap["from"] == reader.cursor}
    assert len(holes) == len([gap for gap in gaps if gap["cause"] == "history"])
    assert holes["trade:BTC-USD"]["cause"] == "history"
    first = next(place for place, event in enumerate(back.events) if event["type"] == "trade")
    assert back.events.index(holes["trade:BTC-USD"]) < first, "the hole is told before what is behind it"
    assert epoch(back.events[first]["id"]) == epoch(holes["trade:BTC-USD"]["to"]) != epoch(reader.cursor)
    trades = [event["trade_id"] for event in (*reader.of("trade"), *back.of("trade"))]
    assert len(set(trades)) == len(trades)
    book = Book("book:BTC-USD")
    assert any(book.take(event) for event in back.events), "it comes whole, and its changes fit"
    ids = [event["id"] for event in back.events if epoch(event.get("id", reader.cursor)) != epoch(reader.cursor)]
    assert ids == sorted(ids, key=offset)
    assert again.verdicts[0] == "resumed", "the new life's own cursors are good"
