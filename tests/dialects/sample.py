"""What a dialect's `samples.py` consists of; `test_conformance` runs every dialect folder's `SAMPLES` through the same checks.

`tests/dialects/<dialect>/samples.py` has one module constant `SAMPLES: Samples`. Frames are the literal bytes of the party's
documents or of the registers in which it was seen, never made by our own encoder. All events in samples have
`feed=FEED` and `ts_recv=TS_RECV`. JSON is compared as JSON, with numbers digit for digit.

What encode → decode loses stands in the dialect's `encode.py`:

    LOSSES: Mapping[Transport, Mapping[type, Mapping[str, str]]]    # event type → field (`*` = all of it) → why it is lost
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.dialects.contract import (
    Action,
    EncoderOptions,
    Lane,
    Message,
    Question,
    Signal,
    StateQuestion,
    Transport,
)
from bridge.dialects.contract.profile import Aliases
from bridge.model import FeedName, LogEvent, UnixNanos, UpstreamEvent

FEED = FeedName("sample")
TS_RECV = UnixNanos(1_800_000_000_000_000_000)
CURSOR = "epoch1-7"
PLAIN = EncoderOptions()
WEBSOCKET = Lane(Transport.WEBSOCKET)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A frame that the party sends, and what a session of ours makes of it.

    Attributes:
        topics: what the session asked for, as clients spell topics (`order` takes `account` as its scope).
        event: the SSE event name.
        before: (event name, frame) that came earlier on this session, when they matter.
    """

    name: str
    lane: Lane
    frame: bytes
    yields: tuple[UpstreamEvent | Signal, ...]
    topics: tuple[str, ...] = ()
    event: str = ""
    account: str | None = None
    before: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Said:
    """An event of ours, and the messages that the party would send for it.

    Attributes:
        back: the lane on which the messages are read again to compare with the event (but for LOSSES); None = not read again.
        topics: what that reading session asked for; `account` its account.
    """

    name: str
    transport: Transport
    event: LogEvent
    messages: tuple[Message, ...]
    whole: bool = True
    cursor: str = CURSOR
    options: EncoderOptions = PLAIN
    back: Lane | None = None
    topics: tuple[str, ...] = ()
    account: str | None = None


@dataclass(frozen=True, kw_only=True)
class Unsaid:
    """An event that the dialect has no word for on a transport: encoding it raises `Unspeakable`."""

    name: str
    transport: Transport
    event: LogEvent


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The body of a 200 answer to a question of ours, and what we make of it (`Dialect.answer`)."""

    name: str
    question: Question
    body: bytes
    yields: tuple[UpstreamEvent | Signal, ...]


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A client's `STATE` request, what it asks the hub for, and the body it gets for the state found.

    Attributes:
        endpoint: the path of one of the dialect's endpoints.
    """

    name: str
    endpoint: str
    segments: Mapping[str, str]
    question: StateQuestion
    events: tuple[LogEvent, ...]
    body: bytes
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Requested:
    """A text that the party's clients send on a WebSocket.

    Attributes:
        text: as the documents print it.
        actions: what `Conversation.receive` reads from it; None = it depends on the conversation, only the fuzzing uses it.
        subscribes: topics for which `Requests.subscribe` writes exactly this text; () = not compared. `unsubscribes` likewise.
        depth: what the session asks for.
    """

    name: str
    text: bytes
    actions: tuple[Action, ...] | None = None
    subscribes: tuple[str, ...] = ()
    unsubscribes: tuple[str, ...] = ()
    lane: Lane = WEBSOCKET
    depth: int | None = None


@dataclass(frozen=True, kw_only=True)
class Samples:
    """All samples of a dialect.

    Attributes:
        aliases: `[instruments]` for the symbol table; {} when the dialect's own rules suffice.
    """

    heard: tuple[Heard, ...]
    said: tuple[Said, ...]
    unsaid: tuple[Unsaid, ...] = ()
    answered: tuple[Answered, ...] = ()
    stated: tuple[Stated, ...] = ()
    requested: tuple[Requested, ...] = ()
    aliases: Aliases = field(default_factory=dict)


__all__ = [
    "CURSOR",
    "FEED",
    "PLAIN",
    "TS_RECV",
    "WEBSOCKET",
    "Answered",
    "Heard",
    "Requested",
    "Said",
    "Samples",
    "Stated",
    "Unsaid",
]
