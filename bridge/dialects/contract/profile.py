"""What both halves of a dialect share: transports, lanes, numbers of the vendor, and how our ids are spelled there."""

import enum
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec

from bridge.model import InstrumentId


class Transport(enum.StrEnum):
    """How bytes travel, in either direction."""

    SSE = "sse"
    WEBSOCKET = "websocket"
    POLLING = "polling"


class Lane(NamedTuple):
    """Which topics may share a connection toward a vendor: those whose lanes are equal.

    Attributes:
        transport: the transport.
        type: the vendor's own word where one connection carries one type of data; "" where any mix is fine.
        timeframe: the vendor's spelling of a bar's interval where one connection has one; "" otherwise.
    """

    transport: Transport
    type: str = ""
    timeframe: str = ""


class TransportProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one transport of a vendor; None = the vendor names no limit. Each has its source beside it in the dialect.

    Attributes:
        changeable: whether subscriptions may change while a connection is open; if not, changes are make-before-break.
        max_connections: how many the vendor grants one user on this transport.
        subscriptions_per_connection: counted as `Dialect.subscriptions` counts.
        read_timeout_seconds: silence after which a connection counts as dead; any byte, comment or ping counts as sound.
        ping_seconds: how often the client pings (RFC 6455 ping, and the application's ping if `Requests.ping` gives one);
            None = never.
        pong_seconds: how long to wait for the pong.
        messages_per_second: how many messages a client may send, as a rate; None = no limit named.
        confirms: whether the vendor answers a subscribe (else the session takes a pong sent behind it as the answer).
        usable_event_ids: whether a place can be sent back after a break: an SSE `id`, or the decoder's `cursor`.
        poll_seconds: polling interval by topic kind value, for the polling transport.
    """

    changeable: bool = True
    max_connections: int | None = None
    subscriptions_per_connection: int | None = None
    read_timeout_seconds: float = 90
    ping_seconds: float | None = None
    pong_seconds: float = 10
    messages_per_second: float | None = None
    confirms: bool = True
    usable_event_ids: bool = False
    poll_seconds: Mapping[str, float] = msgspec.field(default_factory=dict)


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor grants its own clients; a simulator starts from these. 0 = unlimited; of a burst, a second's worth."""

    sse_connections_per_user: int
    websocket_connections_per_user: int
    subscriptions_per_connection: int
    inbound_messages_per_second: float
    inbound_messages_burst: int = 0


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's constants.

    Attributes:
        transports: what it can speak toward us, by transport.
        limits: what it grants its clients.
        heartbeat_seconds: how often its streams send a sign of life, by transport; one that is not named has no habit of its own.
        replaces_books: transports on which a book is always sent whole (so an encoder gets `BookSnapshot`s only).
        partial_quotes: whether a quote message carries only the changed fields.
        declares_gaps: whether it has a word for a hole; a client of one that has none is sent away rather than skipped ahead.
        default_depth: levels a side that a client gets without asking for a depth; None = all.
        subject_claim: the claim of its tokens that says whose they are.
    """

    transports: Mapping[Transport, TransportProfile]
    limits: ClientLimits
    heartbeat_seconds: Mapping[Transport, float] = msgspec.field(default_factory=dict)
    replaces_books: frozenset[Transport] = frozenset()
    partial_quotes: bool = False
    declares_gaps: bool = False
    default_depth: int | None = None
    subject_claim: str = "sub"


class Spelling(Protocol):
    """A dialect's rules for instruments that the configuration does not list (its `symbols.py`)."""

    def vendor_symbol(self, instrument: InstrumentId, transport: Transport) -> str | None:
        """Spell one of our ids on a transport; None when this party cannot know such a thing."""
        ...

    def instrument(self, vendor_symbol: str, transport: Transport) -> InstrumentId | None:
        """Read a party's symbol as one of our ids; None when it cannot be one."""
        ...


Aliases = Mapping[InstrumentId, str | Mapping[str, str]]
"""Our id → the party's symbol, or one by transport (keys `sse`, `websocket`, `rest`), as `[instruments]` lists them."""


def alias_key(transport: Transport) -> str:
    """Return the configuration's word for a transport's symbols: polling is spelled `rest`."""
    return "rest" if transport is Transport.POLLING else transport.value


class SymbolTable:
    """One dialect's symbols on one bridge: the listed ones first, its own rules for the rest.

    An unlisted id whose spelling a listed id already has is not accepted: it would mix two instruments.

    Args:
        spelling: the dialect's rules.
        aliases: the configuration's.
    """

    def __init__(self, spelling: Spelling, aliases: Aliases) -> None:
        self._spelling = spelling
        self.adopt(aliases)

    def adopt(self, aliases: Aliases) -> None:
        """List these from now on. Who does it takes care that nothing in use is spelled otherwise than before."""
        self._to_vendor: dict[tuple[InstrumentId, Transport], str] = {}
        self._to_instrument: dict[tuple[str, Transport], InstrumentId] = {}
        self._listed = frozenset(aliases)
        self.conflicts: list[str] = []
        for instrument, alias in aliases.items():
            for transport in Transport:
                symbol = alias if isinstance(alias, str) else alias.get(alias_key(transport))
                if symbol is not None:
                    self._add(instrument, transport, symbol)

    def _add(self, instrument: InstrumentId, transport: Transport, symbol: str) -> None:
        other = self._to_instrument.setdefault((symbol, transport), instrument)
        if other != instrument:
            self.conflicts.append(f"{instrument!r} and {other!r} are both {symbol!r} on {alias_key(transport)}")
            return
        self._to_vendor[instrument, transport] = symbol

    def vendor_symbol(self, instrument: InstrumentId, transport: Transport) -> str | None:
        """Spell our id for the party on a transport; None when it has no spelling there."""
        symbol = self._to_vendor.get((instrument, transport))
        if symbol is not None or instrument in self._listed:
            return symbol
        symbol = self._spelling.vendor_symbol(instrument, transport)
        return None if symbol is None or (symbol, transport) in self._to_instrument else symbol

    def instrument(self, vendor_symbol: str, transport: Transport) -> InstrumentId | None:
        """Read the party's symbol as our id; None when it cannot be one."""
        listed = self._to_instrument.get((vendor_symbol, transport))
        if listed is not None:
            return listed
        instrument = self._spelling.instrument(vendor_symbol, transport)
        return None if instrument in self._listed else instrument
