"""The life of one session, as a table: what state follows which turn. A row that is missing is an error of ours.

```
CONNECTING ──accepted──► OPEN ──confirmed──► READY ──retired──► CLOSING ──ended──► CLOSED
     └──────────── ended, from every state but CLOSED ────────────────────────────────┘
```
"""

import enum
from collections.abc import Mapping

from bridge.errors import BridgeError


class SessionState(enum.StrEnum):
    """Where a session stands."""

    CONNECTING = "connecting"
    """The request is on its way."""
    OPEN = "open"
    """The vendor accepted the connection and has confirmed nothing yet."""
    READY = "ready"
    """The vendor confirmed: from here on what it sends of the confirmed topics is everything."""
    CLOSING = "closing"
    """We are leaving; what still comes counts until the connection is closed."""
    CLOSED = "closed"
    """Nothing comes any more."""


class Turn(enum.StrEnum):
    """What moves a session on."""

    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    RETIRED = "retired"
    ENDED = "ended"


class ImpossibleTurn(BridgeError):
    """A session was moved in a way the table does not know: a bug of ours, contained to that session."""


TURNS: Mapping[tuple[SessionState, Turn], SessionState] = {
    (SessionState.CONNECTING, Turn.ACCEPTED): SessionState.OPEN,
    (SessionState.CONNECTING, Turn.RETIRED): SessionState.CLOSING,
    (SessionState.CONNECTING, Turn.ENDED): SessionState.CLOSED,
    (SessionState.OPEN, Turn.CONFIRMED): SessionState.READY,
    (SessionState.OPEN, Turn.RETIRED): SessionState.CLOSING,
    (SessionState.OPEN, Turn.ENDED): SessionState.CLOSED,
    (SessionState.READY, Turn.CONFIRMED): SessionState.READY,
    (SessionState.READY, Turn.RETIRED): SessionState.CLOSING,
    (SessionState.READY, Turn.ENDED): SessionState.CLOSED,
    (SessionState.CLOSING, Turn.CONFIRMED): SessionState.CLOSING,
    (SessionState.CLOSING, Turn.RETIRED): SessionState.CLOSING,
    (SessionState.CLOSING, Turn.ENDED): SessionState.CLOSED,
}


def after(state: SessionState, turn: Turn) -> SessionState:
    """Return the state that follows.

    Raises:
        ImpossibleTurn: the table has no such row.
    """
    try:
        return TURNS[state, turn]
    except KeyError:
        msg = f"a session that is {state} cannot be {turn}"
        raise ImpossibleTurn(msg) from None
