"""What is published of a party's endpoints: their parameters, what they take and answer, and how scalars are spelled there.

The published specifications (`downstream.specs`) are made of this and of the very types that read and
spell messages. What is added here to a type is told to readers of the specification and never looked at when a message is read:
reading stays as lenient, and as fast, as it was.
"""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec

from bridge.model import Code, Interval, Retry
from bridge.model.control import MIN_RATE
from bridge.model.topic import INSTRUMENT_PATTERN, MAX_DEPTH, TOPIC_PATTERN

SAID_ALWAYS: Final = "x-said-always"
"""Marks, in a schema that is being made, what a reader need not find although we always say it."""

ALWAYS: Final = msgspec.Meta(extra_json_schema={SAID_ALWAYS: True})


EVENT: Final = "Event"
"""What a specification calls all that the canonical dialect says on a stream."""

REFERS_TO_EVENTS: Final = msgspec.Meta(extra_json_schema={"$ref": f"#/components/schemas/{EVENT}"})
"""Says of bytes that they are such an event, spelled by a dialect that the code around does not know."""


def told(about: str, **schema: object) -> msgspec.Meta:
    """Return what a specification says of a type: a sentence, and keywords of JSON Schema."""
    return msgspec.Meta(extra_json_schema={"description": about, **schema})


def one_of(words: type[enum.StrEnum]) -> msgspec.Meta:
    """Return that a text is one of some words; a reader takes others too, for a newer party may have more."""
    return msgspec.Meta(extra_json_schema={"enum": [word.value for word in words]})


Digits = Annotated[str, told("an exact decimal, never with an exponent", pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Moment = Annotated[str, told("RFC 3339, UTC, up to nine fractional digits", format="date-time")]
CursorText = Annotated[str, told("a cursor; opaque")]
InstrumentText = Annotated[str, told("an instrument's id", pattern=f"^{INSTRUMENT_PATTERN}$")]
TopicText = Annotated[str, told("a topic, such as `quote:AAPL`", pattern=f"^{TOPIC_PATTERN}$")]
IntervalText = Annotated[str, one_of(Interval)]
Rate = Annotated[float, told("per second", anyOf=[{"const": 0}, {"minimum": MIN_RATE}])]
Depth = Annotated[int, msgspec.Meta(ge=1, le=MAX_DEPTH)]


TRUTHS: Final[Mapping[str, bool]] = MappingProxyType({"true": True, "1": True, "false": False, "0": False})
"""How yes and no are spelled in a query."""


class Place(enum.StrEnum):
    """Where a parameter stands."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint may be told beside its body.

    Attributes:
        name: as it is spelled.
        about: one sentence.
        kind: the type of its value.
        place: where it stands.
        required: whether a request without it is refused.
        many: it is a list, separated by commas, repeated, or both. Of any other, two different values in one request are refused.
    """

    name: str
    about: str
    kind: Any = str
    place: Place = Place.QUERY
    required: bool = False
    many: bool = False


class ErrorSaid(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why not. `code` is a row of the goodbyes; `retry_after` is in whole seconds, as the header has it."""

    code: Code
    message: str
    retry: Retry
    retry_after: int | None = None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every canonical refusal's body."""

    error: ErrorSaid
