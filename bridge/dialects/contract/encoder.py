"""Our events → the party's messages: the half of its server that all clients share.

Bytes are made once for all who can share them. So they never depend on a connection: what may differ between clients stands in
the options, of which there are few.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from bridge.model import LogEvent


class Message(msgspec.Struct, frozen=True):
    """What goes out, before a transport frames it.

    Attributes:
        data: UTF-8 JSON without line breaks; empty = a `comment` instead, which may be empty too.
        event: the SSE event name; "" = none.
        id: the SSE id; "" = none.
        comment: an SSE comment instead of an event; WebSocket leaves it out.
    """

    data: bytes
    event: str = ""
    id: str = ""
    comment: str = ""


class EncoderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What may differ between clients of one dialect and transport; each set of options has bytes of its own.

    Attributes:
        extra: whether a quote carries the vendor's other fields.
        wording: which of the party's words it is told in, where it has several for one thing; "" = the ordinary ones.
    """

    extra: bool = False
    wording: str = ""


class Encoder(Protocol):
    """Our events → the party's messages. Stateless: the bytes depend on nothing but the arguments.

    Made by `Dialect.encoder(transport, symbols, options)`.
    """

    def encode(self, event: LogEvent, cursor: str, *, whole: bool) -> Sequence[Message]:
        """Spell an event.

        Args:
            event: any of the log but `Covered`, `Uncovered` and `TopicRefused`. Where the profile says that books are replaced on
                this transport, a `BookSnapshot` stands in for each `BookDelta`.
            cursor: the event's cursor, already spelled.
            whole: say a quote's whole state (at the join, after conflation) instead of what changed.

        Raises:
            Unspeakable: the dialect has no word for it; counted and left out.
        """
        ...
