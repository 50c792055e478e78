"""Trades that may have been told before: after a switch, what the new feed says of a time that the old one had told of.

Two vendors' trades have no id in common, so none can be taken out. What may be a double is delivered and marked.
"""

from collections.abc import Callable

from bridge.model import SECONDS, InstrumentId, Trade, UnixNanos

SKEW_SECONDS = 2
"""How far two vendors' clocks may lie apart, and how coarse their times may be (whole seconds)."""

DOUBTFUL_SECONDS = 10.0
"""How long after a switch trades are in doubt where times do not tell; a first burst of old trades comes within a second."""

MOST_INSTRUMENTS = 10_000
"""Instruments of which the newest trade's time is remembered; those that traded first give way."""


class Doubles:
    """The doubt about one line-up's trades.

    Args:
        now: seconds that only rise.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._newest: dict[InstrumentId, UnixNanos | None] = {}
        self._before: dict[InstrumentId, UnixNanos | None] = {}
        self._until = 0.0

    def switched(self, instrument: InstrumentId | None = None) -> None:
        """Another feed tells from here on, of all or of one instrument."""
        told = self._newest if instrument is None else {instrument: self._newest.get(instrument)}
        self._before.update((one, newest) for one, newest in told.items() if one in self._newest)
        self._until = self._now() + DOUBTFUL_SECONDS

    def doubtful(self, trade: Trade) -> bool:
        """Note a trade that is told now; return whether the feed before may have told it."""
        newest = self._newest.get(trade.instrument)
        if len(self._newest) > MOST_INSTRUMENTS:
            del self._newest[next(iter(self._newest))]
        if trade.ts_event is not None and (newest is None or trade.ts_event > newest):
            self._newest[trade.instrument] = trade.ts_event
        else:
            self._newest.setdefault(trade.instrument, newest)
        if trade.instrument not in self._before:
            return False
        before = self._before[trade.instrument]
        if before is None or trade.ts_event is None:
            return self._now() < self._until
        return trade.ts_event <= before + SKEW_SECONDS * SECONDS
