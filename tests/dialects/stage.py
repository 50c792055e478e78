"""What the conformance tests share: every dialect's samples, and sessions made of a few words."""

import importlib
from collections.abc import Iterable

import msgspec
import pytest
from msgspec import UNSET

from bridge.dialects.contract import Asked, Frame, Lane, Signal, SymbolTable, Transport
from bridge.dialects.loader import dialect_names, load_dialect
from bridge.model import QUOTE_FIELDS, LogEvent, Quote, QuotePatch, Topic, TopicKind, UpstreamEvent
from tests.dialects.sample import FEED, TS_RECV, Samples

NAMES = dialect_names()

NOT_SAID = frozenset({"feed", "ts_recv", "sequence", "prev_sequence", "changed", "changed_extra"})
"""What no message has to say: its reader knows it, or `assemble` makes it anew."""


def _samples(name: str) -> Samples | None:
    module = f"tests.dialects.{name}.samples"
    try:
        samples: Samples = importlib.import_module(module).SAMPLES
    except ModuleNotFoundError as error:
        if error.name not in {module, f"tests.dialects.{name}"}:
            raise
        return None
    return samples


SAMPLES = {name: samples for name in NAMES if (samples := _samples(name)) is not None}

each_dialect = pytest.mark.parametrize("name", NAMES)


def each(part: str):
    """Parametrise over one kind of samples of all dialects."""
    found = [(name, sample) for name, samples in SAMPLES.items() for sample in getattr(samples, part)]
    return pytest.mark.parametrize(("name", "sample"), found, ids=[f"{name}: {sample.name}" for name, sample in found])


def symbols_of(name: str) -> SymbolTable:
    return SymbolTable(load_dialect(name).spelling, SAMPLES[name].aliases if name in SAMPLES else {})


def asked_of(name: str, lane: Lane, topics: Iterable[str] = (), account=None, depth=None) -> Asked:
    asked = Asked(FEED, lane, symbols_of(name), account, depth)
    parsed = [Topic.parse(topic) for topic in topics]
    asked.add([msgspec.structs.replace(t, scope=account) if t.kind is TopicKind.ORDER else t for t in parsed])
    return asked


def hear(name: str, asked: Asked, *frames: tuple[str, bytes]) -> list[list[UpstreamEvent | Signal]]:
    """Return what each frame (event name, data) says, one after the other on one session."""
    decoder = load_dialect(name).decoder(asked)
    return [list(decoder.decode(Frame(data=data, event=event, ts_recv=TS_RECV))) for event, data in frames]


def facts(said: Iterable[UpstreamEvent | Signal]) -> list[UpstreamEvent]:
    return [event for event in said if not isinstance(event, Signal)]


def losses_of(name: str, transport: Transport, event: LogEvent) -> frozenset[str]:
    table = importlib.import_module(f"bridge.dialects.{name}.encode").LOSSES
    return frozenset(table[transport].get(type(event), ()))


def content(event: LogEvent | UpstreamEvent, names: Iterable[str]) -> dict[str, object]:
    """Return an event's fields; a quote's patch gives what a quote would have, its `extra` as texts."""
    fields = {name: getattr(event, name, None) for name in names}
    if isinstance(event, Quote | QuotePatch):
        fields = {name: None if value is UNSET else value for name, value in fields.items()}
        if "extra" in fields:
            fields["extra"] = {key: bytes(raw) for key, raw in (event.extra or {}).items() if raw is not None}
    return fields


def compared_fields(name: str, transport: Transport, event: LogEvent) -> list[str]:
    """Return the fields of an event that must survive encode → decode."""
    if isinstance(event, Quote):
        names = ["instrument", "ts_event", *QUOTE_FIELDS, "extra"]
    else:
        names = [field.name for field in msgspec.structs.fields(event)]
    return sorted(set(names) - NOT_SAID - losses_of(name, transport, event))
