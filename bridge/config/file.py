"""The configuration: TOML → frozen structs, and the rules that hold between its parts.

Loading names every mistake at once. Nothing here opens a connection; certificates and secrets are only looked at.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bridge.config.convert import Converter
from bridge.config.rules import broken_rules
from bridge.config.structs import BrokerSettings, Config, Listed
from bridge.dialects.loader import dialect_names
from bridge.downstream.settings import AuthSettings, Certificate, DialectSettings, LimitSettings, ListenSettings
from bridge.errors import ConfigError
from bridge.model import FeedName, InstrumentId, Topic
from bridge.upstream.settings import FeedSettings


class _File(msgspec.Struct, kw_only=True):
    """The tables of a file, as they stand in it."""

    listen: ListenSettings = ListenSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    feeds: dict[str, FeedSettings] = msgspec.field(default_factory=dict)
    dialects: dict[str, DialectSettings] = msgspec.field(default_factory=dict)
    broker: BrokerSettings = BrokerSettings()


def load_config(path: str | Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with every mistake, each named by its key.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error
    return parse_config(text, path, environ)


def parse_config(text: str, path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Check a configuration's text as if it stood in the file `path`.

    Raises:
        ConfigError: with every mistake, each named by its key.
    """
    try:
        table = tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of thousands of digits, brackets a thousand deep: by mistake, or not
        raise ConfigError(f"{path}: not TOML: {error}") from error
    converter = Converter(path.parent, environ)
    instruments_table = table.pop("instruments", {})
    for feed in table.get("feeds", {}).values() if isinstance(table.get("feeds"), dict) else ():
        _inline_token_value(feed)
    file = converter.struct(table, _File, "")
    instruments, strict = _instruments(instruments_table, converter)
    if converter.problems or file is None:
        raise ConfigError(*converter.problems)
    config = Config(
        path=path,
        listen=_anchored_listen(file.listen, path.parent),
        auth=file.auth,
        limits=file.limits,
        feeds={FeedName(name): _anchored_feed(feed, path.parent) for name, feed in file.feeds.items()},
        dialects=file.dialects,
        instruments=instruments,
        strict_instruments=strict,
        broker=file.broker,
    )
    problems = broken_rules(config)
    if problems:
        raise ConfigError(*problems)
    return config


def _anchored_listen(listen: ListenSettings, folder: Path) -> ListenSettings:
    """Make relative paths of certificates relative to the file's folder."""
    pairs = tuple(
        Certificate(certificate=str(folder / pair.certificate), private_key=str(folder / pair.private_key))
        for pair in listen.certificates
    )
    return msgspec.structs.replace(listen, certificates=pairs)


def _anchored_feed(feed: FeedSettings, folder: Path) -> FeedSettings:
    """Make relative paths of a feed relative to the file's folder."""
    changes: dict[str, object] = {
        key: str(folder / value)
        for key in ("ca_file", "client_certificate")
        if (value := getattr(feed, key)) is not None
    }
    if feed.token is not None and feed.token.file is not None:
        changes["token"] = msgspec.structs.replace(feed.token, file=str(folder / feed.token.file))
    return msgspec.structs.replace(feed, **changes)


def _inline_token_value(feed: object) -> None:
    """A feed's token may be a value from anywhere, or a file or command that is read again: `{ env }` means the first."""
    if isinstance(feed, dict) and "token" in feed:
        token = feed["token"]
        if not isinstance(token, dict) or set(token) == {"env"}:
            feed["token"] = {"value": token}


def _instruments(table: object, converter: Converter) -> tuple[dict[InstrumentId, Listed], bool]:
    if not isinstance(table, dict):
        converter.problems.append('instruments: expected tables such as [instruments."BTC-USD"]')
        return {}, False
    strict = table.pop("strict", False)
    if not isinstance(strict, bool):
        converter.problems.append("instruments.strict: expected true or false")
    listed = {}
    for name, entry in table.items():
        where = f'instruments."{name}"'
        try:
            Topic.parse(f"quote:{name}")
        except ValueError:
            converter.problems.append(f"{where}: an id has 1 to 64 characters A-Z a-z 0-9 . - _ : ^ = ! & @ $ /")
        if not isinstance(entry, dict):
            converter.problems.append(f"{where}: expected a table")
            continue
        listed[InstrumentId(name)] = _listed(dict(entry), where, converter)
    return listed, bool(strict)


def _listed(entry: dict[str, object], where: str, converter: Converter) -> Listed:
    feeds = entry.pop("feeds", [])
    for dialect, symbol in entry.items():
        if dialect not in dialect_names():
            converter.problems.append(f"{where}.{dialect}: no such dialect; there are {', '.join(dialect_names())}")
        elif isinstance(symbol, dict) and not set(symbol) <= {"sse", "websocket", "rest"}:
            converter.problems.append(f"{where}.{dialect}: a symbol by transport has the keys sse, websocket, rest")
    try:
        return msgspec.convert({"symbols": entry, "feeds": feeds}, Listed)
    except msgspec.ValidationError as error:
        converter.problems.append(f"{where}: {error}")
        return Listed(symbols={})
