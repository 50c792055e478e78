"""Docs and code say the same: event pages, topics, goodbyes, keys, commands, links."""

import importlib
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from bridge.cli import parser
from bridge.config import parse_config
from bridge.dialects.contract import EncoderOptions, SymbolTable, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.goodbyes import GOODBYES
from bridge.downstream.settings import (
    ApiKey,
    AuthSettings,
    Certificate,
    DialectLimits,
    DialectSettings,
    LimitSettings,
    ListenSettings,
)
from bridge.model import (
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    Cause,
    Code,
    FeedHealth,
    FeedStatus,
    Gap,
    Goaway,
    Interval,
    OrderUpdate,
    Problem,
    Quote,
    Retry,
    Side,
    Stream,
    Topic,
    TopicKind,
    Trade,
    Verdict,
    Wishes,
)
from bridge.upstream.settings import ClientTokens, FeedSettings
from tests.test_architecture import MAY_IMPORT

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EVENTS = ROOT / "docs/reference/events"
ONE = Decimal(1)
TIME = 1_774_000_000_000_000_000
BASE = {"instrument": "X", "feed": "f", "ts_recv": TIME, "ts_event": TIME}

LOGGED = {
    "quote": Quote(
        **BASE,
        **dict.fromkeys(("bid", "ask", "bid_size", "ask_size", "last", "last_size", "open", "high", "low"), ONE),
        **dict.fromkeys(("prev_close", "change", "change_percent", "volume"), ONE),
        last_time=TIME,
        session="market",
        delay_seconds=0,
        extra={"sector": msgspec.Raw(b'"x"')},
        conflated=True,
        derived=True,
    ),
    "trade": Trade(**BASE, price=ONE, size=ONE, aggressor_side=Side.BUY, trade_id="t", possible_duplicate=True),
    "book_snapshot": BookSnapshot(**BASE, bids=(BookLevel(ONE, ONE),), asks=(), depth=5, sequence=1),
    "book_delta": BookDelta(**BASE, bids=(BookLevel(ONE, ONE),), asks=(), depth=5, sequence=2, prev_sequence=1),
    "bar": Bar(
        **BASE,
        interval="5m",
        open=ONE,
        high=ONE,
        low=ONE,
        close=ONE,
        ts_open=TIME,
        volume=ONE,
        is_final=True,
        derived=True,
        partial=True,
    ),
    "order": OrderUpdate(
        **BASE,
        account="f/a",
        order_id="o",
        side=Side.SELL,
        order_type="limit",
        quantity=ONE,
        filled_quantity=ONE,
        status="executed",
        average_price=ONE,
        reconciled=True,
    ),
    "feed_status": FeedStatus(
        feed="f",
        status=FeedHealth.DOWN,
        ts_recv=TIME,
        instrument="X",
        topic=Topic(TopicKind.TRADE, "X"),
        reason="because",
        since=TIME,
        via=("b1",),
    ),
    "gap": Gap(
        feed="f",
        topics=(Topic(TopicKind.TRADE, "X"),),
        from_="a-1",
        to="a-2",
        cause=Cause.UPSTREAM,
        ts_recv=TIME,
        missed=1,
        ts_from=TIME,
        ts_to=TIME,
    ),
}
CONTROL = {
    "stream": Stream(
        at="a-1",
        stream="s",
        verdict=Verdict.FRESH,
        topics=("trade:X",),
        limits={"n": 1},
        ts_recv=TIME,
        expires=TIME,
        wishes=Wishes(conflate=True, max_rate=2),
        via=("b1", "b2"),
    ),
    "problem": Problem(
        at="a-1", code=Code.FORBIDDEN, message="no", retry=Retry.NO, ts_recv=TIME, topic="trade:X", ref="r"
    ),
    "expiring": TIME,
    "goaway": Goaway(at="a-1", reason=Code.GOING_AWAY, retry=Retry.AFTER, ts_recv=TIME, retry_after_ms=5),
}


def said(name: str) -> dict:
    """What the bridge says of an event that has everything."""
    dialect = load_dialect("canonical")
    symbols = SymbolTable(dialect.spelling, {})
    if name in LOGGED:
        encoder = dialect.encoder(Transport.SSE, symbols, EncoderOptions(extra=True))
        messages = encoder.encode(LOGGED[name], "a-1", whole=True)
    else:
        conversation = dialect.conversation(Transport.SSE, symbols)
        tell = {
            "stream": conversation.stream,
            "problem": conversation.problem,
            "expiring": lambda expires: conversation.expiring(expires, "a-1", TIME),
            "goaway": conversation.goodbye,
        }[name]
        messages = tell(CONTROL[name])
    return msgspec.json.decode(messages[0].data)


def documented(page: Path) -> set[str]:
    """The names in the first column of a page's table of fields."""
    names = set()
    for line in page.read_text().splitlines():
        cells = line.split("|")
        if len(cells) > 2 and "`" in cells[1]:
            names |= set(re.findall(r"`([a-z_]+)`", cells[1]))
    return names


@pytest.mark.parametrize("name", [*LOGGED, *CONTROL])
def test_an_events_page_lists_exactly_the_fields_that_it_may_have(name):
    common = documented(EVENTS / "README.md")
    assert common == {"type", "id", "instrument", "feed", "ts_event", "ts_recv"}
    assert set(said(name)) - common == documented(EVENTS / f"{name}.md") - common


def test_there_is_a_page_an_event_and_an_event_a_page():
    assert {page.stem for page in EVENTS.glob("*.md")} - {"README"} == {*LOGGED, *CONTROL}
    index = (EVENTS / "README.md").read_text()
    assert all(f"({name}.md)" in index for name in (*LOGGED, *CONTROL))


def test_the_topics_page_names_every_kind_and_interval():
    page = (ROOT / "docs/reference/topics.md").read_text()
    for kind in TopicKind:
        assert f"`{kind}" in page
    assert " ".join(Interval) in page
    for example in re.findall(r"^\| `([^`]+)`", page, re.MULTILINE):
        assert str(Topic.parse(example)) == example


def test_the_goodbyes_page_is_the_table():
    rows = {}
    for line in (ROOT / "docs/reference/goodbyes.md").read_text().splitlines():
        match = re.match(r"\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|", line)
        if match:
            rows[match[1]] = match.groups()[1:]
    assert set(rows) == set(Code)
    for code, (http, websocket, _) in rows.items():
        goodbye = GOODBYES[Code(code)]
        status = re.search(r"\b([45]\d\d)\b", http)
        if status:
            assert goodbye.http == int(status[1]), code
        close = re.search(r"\b(4\d\d\d|1\d\d\d)\b", websocket)
        assert (int(close[1]) if close else None) == goodbye.close, code
        assert ("stays" in websocket or "problem" in websocket) <= goodbye.stays, code


def keys(kind: type, path: str) -> set[str]:
    return {f"{path}.{name}" for name in kind.__struct_fields__}


def test_the_example_configuration_shows_every_key():
    text = (ROOT / "config/bridge.toml").read_text()
    shown = set()
    section = ""
    for line in text.splitlines():
        header = re.match(r"\[+([^\]]+)\]+", line)
        if header:
            section = re.sub(r"feeds\.\w+", "feeds", header[1]).replace("dialects.canonical", "dialects")
        key = re.match(r"(?:# )?(\w+) = ", line)
        if key:
            shown.add(f"{section}.{key[1]}")
    wanted = (
        keys(ListenSettings, "listen")
        | keys(AuthSettings, "auth") - {"auth.api_keys"}
        | keys(ApiKey, "auth.api_keys") - {"auth.api_keys.sha256"}
        | keys(LimitSettings, "limits")
        | keys(FeedSettings, "feeds") - {"feeds.client_tokens"}
        | keys(ClientTokens, "feeds.client_tokens")
        | keys(DialectSettings, "dialects") - {"dialects.limits", "dialects.options"}
        | keys(DialectLimits, "dialects.limits")
    )
    assert wanted - shown == set()
    for name in (*Certificate.__struct_fields__, "sha256"):
        assert name in text


def test_the_example_configurations_defaults_are_the_defaults():
    text = (ROOT / "config/bridge.toml").read_text()
    environ = {"BRIDGE_SECRET": "s" * 32, "CLIENT_KEY": "k", "RAPIDAPI_KEY": "r"}
    config = parse_config(text, ROOT / "config/bridge.toml", environ)
    assert config.limits == LimitSettings()
    assert config.listen == ListenSettings()
    assert msgspec.structs.replace(config.auth, secret=None, api_keys=(), default_topics=()) == AuthSettings()


def test_the_readmes_configuration_is_valid_and_ten_lines_long():
    block = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert len(block.splitlines()) == 10
    tomllib.loads(block)
    config = parse_config(block, ROOT / "bridge.toml", {"BRIDGE_SECRET": "s" * 32})
    assert config.feeds["liquidity"].dialect == "liquidity"


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_command_stands_in_the_reference_and_every_option_of_it_exists():
    page = (ROOT / "docs/reference/commands.md").read_text()
    actions = next(action for action in parser()._actions if action.dest == "COMMAND" or action.choices)
    for name, command in actions.choices.items():
        assert f"`feedbridge {name}" in page, name
        row = next(line for line in page.splitlines() if f"`feedbridge {name}" in line)
        options = {option for action in command._actions for option in action.option_strings}
        for option in re.findall(r"(--[a-z-]+)", row.split("` |")[0]):
            assert option in options, f"{name} has no {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_named_in_the_docs_exists(page):
    for name in re.findall(r"`((?:bridge|tests|config|examples|docs)/[\w/.-]+\.(?:py|toml|md|sh))`", page.read_text()):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_every_decision_has_its_five_parts():
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in decisions]
    assert len(set(numbers)) == len(numbers), (
        "a number is given when work begins: one may be missing, none stands twice"
    )
    for page in decisions:
        text = page.read_text()
        assert "**Status**" in text
        assert "put back" in text.lower(), page.name


def test_the_import_table_in_the_docs_is_the_one_that_is_held():
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \| (.+?) \|$", (ROOT / "docs/explanation/architecture.md").read_text(), re.MULTILINE
    )
    told = {part: words for parts, words in rows for part in re.findall(r"`(\w+)`", parts)}
    assert set(told) == set(MAY_IMPORT) - {"__init__", "__main__"}
    for part, words in told.items():
        if part in {"config", "app", "cli", "errors", "model"}:
            continue
        named = set(re.findall(r"[a-z]+(?:\.[a-z]+)?", words.partition(";")[0]))
        assert named == MAY_IMPORT[part], part


def memory_page() -> str:
    return (ROOT / "docs/explanation/memory.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z_/0-9]+\.[A-Z_]+)`", memory_page()))))
def test_every_bound_that_the_memory_page_names_exists(name):
    path, _, constant = name.partition(".")
    assert getattr(importlib.import_module(f"bridge.{path.replace('/', '.')}"), constant) > 0


@pytest.mark.parametrize("key", sorted(set(re.findall(r"`limits\.([a-z_]+)`", memory_page()))))
def test_every_limit_that_the_memory_page_names_is_a_key(key):
    assert key in LimitSettings.__struct_fields__
