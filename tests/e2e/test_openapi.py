"""The published specifications of a running bridge: served as they should be, and held against what it really answers.

Schemathesis makes the requests: for every published operation good and bad ones, seeded, so that a failure comes again.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest

from tests.support.clients import HTTP1, HTTP2, curl, stream, token, websocket
from tests.support.commands import ROOT, free_port, running
from tests.support.data import absent
from tests.support.published import asyncapi_document, judge_of_events, openapi_document, validator

SECRET = "a-secret-of-more-than-32-bytes-for-the-documents"
CONFIG = """
[listen]
bind = ["127.0.0.1:0"]
[limits]
linger_seconds = 5
polls_per_user = 0
sse_connections_per_user = 0
[auth]
secret = { env = "BRIDGE_SECRET" }
[[auth.api_keys]]
key = "the-clients-key"
sub = "client"
[feeds.liquidity]
dialect = "liquidity"
url = { env = "LIQUIDITY_URL" }
token = { env = "LIQUIDITY_TOKEN" }
account = "demo"
[feeds.tradingview]
dialect = "tradingview"
url = { env = "TRADINGVIEW_URL" }
token_url = { env = "TRADINGVIEW_TOKEN_URL" }
api_key = "the-bridges-key"
[instruments]
strict = true
[instruments."BTC-USD"]
liquidity = { sse = "BTC", websocket = "BTC-USD", rest = "BTC" }
[instruments."NASDAQ:AAPL"]
tradingview = "NASDAQ:AAPL"
"""
EXAMPLES = 12
SEED = 20261122
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    """A bridge with both vendors' simulators behind it, and a token that opens everything."""
    path = tmp_path_factory.mktemp("bridge") / "bridge.toml"
    path.write_text(CONFIG)
    with (
        running("simulate", "liquidity") as liquidity,
        running("simulate", "tradingview", "--api-key", "the-bridges-key") as tradingview,
    ):
        known = {
            "BRIDGE_SECRET": SECRET,
            "LIQUIDITY_URL": liquidity.wait_for(r" at (http\S+)")[1],
            "LIQUIDITY_TOKEN": liquidity.wait_for(r"^token (\S+)")[1],
            "TRADINGVIEW_URL": tradingview.wait_for(r" at (http\S+)")[1],
        }
        known["TRADINGVIEW_TOKEN_URL"] = f"{known['TRADINGVIEW_URL']}/api/token/generate"
        with running("serve", "--config", str(path), **known) as command:
            yield command.wait_for(r"serves (http\S+)")[1]


@pytest.fixture(scope="module")
def shown():
    return token(SECRET, "pedant", topics=["*"], accounts=["liquidity/demo"])


@pytest.mark.parametrize("version", [HTTP1, HTTP2])
@pytest.mark.parametrize(
    ("path", "document"), [("/v1/openapi.json", openapi_document), ("/v1/asyncapi.json", asyncapi_document)]
)
def test_anybody_may_have_the_documents_and_keep_them(bridge, path, document, version):
    answer = curl(f"{bridge}{path}", version)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == document()
    assert answer.headers["cache-control"].startswith("public, max-age=")
    tag = answer.headers["etag"]
    assert not tag.startswith("W/")
    for known in (tag, f'"other", W/{tag}', "*"):
        again = curl(f"{bridge}{path}", version, "-H", f"If-None-Match: {known}")
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert curl(f"{bridge}{path}", version, "-H", 'If-None-Match: "other"').status == 200


def test_schemathesis_finds_no_answer_that_is_not_published(bridge, shown, tmp_path):
    if importlib.util.find_spec("schemathesis") is None:
        absent("schemathesis is not installed: pip install -e '.[dev]'")
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(config_for(shown))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)),
            *("run", f"{bridge}/v1/openapi.json"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", str(SEED)),
            *("--workers", "1", "--request-timeout", "20", "--continue-on-failure", "--no-color"),
            *("--exclude-checks", "not_a_server_error,positive_data_acceptance,ignored_auth"),
            *("--suppress-health-check", "all", "--generation-database", "none"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    operations = sum(len(methods) for methods in openapi_document()["paths"].values()) - 1  # not the document itself
    assert re.search(rf"Tested: +{operations}\n", done.stdout), done.stdout[-3_000:]


def config_for(shown):
    """Say what schemathesis cannot guess: names of what there is, and a token."""
    return f"""
max-stream-events = 1
[headers]
Authorization = "Bearer {shown}"
[dictionaries.instruments]
values = ["BTC-USD", "NASDAQ:AAPL"]


[dictionaries.assets]
values = ["BTC"]
[dictionaries.symbols]
values = ["NASDAQ:AAPL"]
[[operations]]
include-path-regex = "^/v1/instruments/"
parameters = {{ "path.id" = {{ dictionary = "instruments", probability = 0.7 }} }}
[[operations]]
include-path-regex = "^/liquidity/v1/assets/"
parameters = {{ "path.id" = {{ dictionary = "assets", probability = 0.7 }} }}
[[operations]]
include-path-regex = "^/tradingview/api/quote/"
parameters = {{ "path.symbol" = {{ dictionary = "symbols", probability = 0.7 }} }}
[[operations]]
include-path-regex = "(stream|realtime)$"
request-timeout = 3.0
"""


@pytest.mark.parametrize("version", [HTTP1, HTTP2])
def test_every_event_of_a_stream_is_as_published(bridge, shown, version):
    topics = "all:BTC-USD,book.5:BTC-USD,bar.1m:BTC-USD,quote:NASDAQ:AAPL,bar.5m:NASDAQ:AAPL,order,status"
    wanted = {"stream", "quote", "trade", "book_snapshot", "book_delta", "bar", "feed_status", "order"}
    judge = judge_of_events()
    with stream(
        f"{bridge}/v1/stream?subscribe={topics}&extra=true", version, "-H", f"Authorization: Bearer {shown}"
    ) as opened:
        for event in opened.events():
            assert not [error.message for error in judge.iter_errors(event)], event
            wanted.discard(event["type"])
            if not wanted:
                break
    assert not wanted


def test_every_word_on_a_websocket_is_as_published(bridge, shown):
    messages = asyncapi_document()["components"]["messages"]
    judges = {
        name: validator(asyncapi_document(), message["payload"])
        for name, message in messages.items()
        if name.startswith("canonical_said_")
    }
    said = [
        {"op": "subscribe", "topics": ["quote:BTC-USD"], "ref": "1", "max_rate": 5},
        {"op": "subscribe", "topics": ["quote:nobody"]},
        {"op": "ping", "ref": "2"},
        {"op": "renew", "token": shown},
        {"op": "unsubscribe", "topics": ["quote:BTC-USD"]},
    ]
    wanted = {"ok": 4, "problem": 1, "stream": 1, "quote": 1}
    with websocket(f"{bridge}/v1/ws", additional_headers={"Authorization": f"Bearer {shown}"}) as socket:
        for operation in said:
            socket.send(json.dumps(operation))
        while any(count > 0 for count in wanted.values()):
            event = json.loads(socket.recv(timeout=30))
            problems = judges[f"canonical_said_{event['type']}"].iter_errors(event)
            assert not [error.message for error in problems], event
            wanted[event["type"]] = wanted.get(event["type"], 0) - 1


def test_every_state_and_every_page_is_as_published(bridge, shown):
    bearer = ("-H", f"Authorization: Bearer {shown}")
    for path in (
        "/v1/instruments",
        "/v1/instruments/BTC-USD/quote",
        "/v1/instruments/BTC-USD/book?depth=3",
        "/v1/instruments/BTC-USD/trades?limit=5",
        "/v1/instruments/BTC-USD/bars?interval=1m",
        "/v1/instruments/NASDAQ%3AAAPL/quote?extra=true",
        "/v1/poll?subscribe=all:BTC-USD,order",
        "/healthz",
        "/readyz",
        "/liquidity/v1/assets/BTC/quote",
        "/liquidity/v1/assets/BTC/book",
        "/tradingview/api/quote/NASDAQ%3AAAPL",
    ):
        assert curl(f"{bridge}{path}", *bearer).status == 200, path  # `curl` holds each against the document
    cursor = curl(f"{bridge}/v1/poll?subscribe=trade:BTC-USD", *bearer).json["cursor"]
    assert curl(f"{bridge}/v1/poll?subscribe=trade:BTC-USD&after={cursor}&wait=10", *bearer).status == 200


def test_every_refusal_is_as_published_in_the_words_of_its_party(bridge, shown):
    bearer = ("-H", f"Authorization: Bearer {shown}")
    for path, status in {
        "/v1/instruments/NONE/quote": 404,
        "/liquidity/v1/assets/NONE/quote": 404,
        "/liquidity/v1/orders/none": 404,
        "/tradingview/api/quote/NASDAQ%3ANONE": 404,
    }.items():
        assert curl(f"{bridge}{path}", *bearer).status == status, path
        assert curl(f"{bridge}{path}").status == 401, path
    minted = f"{bridge}/tradingview/api/token/generate"
    assert curl(minted, "-X", "POST").status == 401
    assert curl(minted, "-X", "POST", "-H", "X-API-Key: the-clients-key").status == 200


def test_the_how_tos_program_runs_as_it_stands():
    page = (ROOT / "docs/how-to/generate-a-client.md").read_text()
    program = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    port = free_port()
    with running("demo", "--port", str(port)) as demo:
        demo.wait_for("Ctrl-C")
        assert "127.0.0.1:8080" in program
        subprocess.run(
            [sys.executable, "-c", program.replace("127.0.0.1:8080", f"127.0.0.1:{port}")], timeout=60, check=True
        )
