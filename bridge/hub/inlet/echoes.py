"""Trades that a vendor says twice: the same trade with the same id again, shortly after.

That happens when something between the vendor and us repeats itself, or when the vendor, asked anew, tells what it told
before. Only what is equal in every word is an echo: an id that comes with other numbers is another trade, or a vendor's
correction, and passes. Trades without ids are never taken out here, for equal ones are common.
"""

from collections import OrderedDict

import msgspec

from bridge.model import FeedName, InstrumentId, Trade

REMEMBERED = 256
"""Trades of one instrument that are compared with: an echo follows its trade at once, or on a reconnect within seconds."""


class Echoes:
    """All feeds'.

    Attributes:
        count: trades that were echoes.
    """

    def __init__(self) -> None:
        self.count = 0
        self._heard: dict[tuple[FeedName, InstrumentId], OrderedDict[str, Trade]] = {}

    def __repr__(self) -> str:
        return f"<Echoes {self.count} of {len(self._heard)} instruments>"

    def hears(self, trade: Trade) -> bool:
        """Whether this was said before; remember it otherwise."""
        if not trade.trade_id:
            return False
        place = trade.feed, trade.instrument
        heard = self._heard.get(place)
        if heard is None:
            heard = self._heard[place] = OrderedDict()
        before = heard.get(trade.trade_id)
        if before is not None and _words(before) == _words(trade):
            self.count += 1
            return True
        heard[trade.trade_id] = trade
        if len(heard) > REMEMBERED:
            heard.popitem(last=False)
        return False

    def forget(self, feed: FeedName, instrument: InstrumentId) -> None:
        """Nobody wants it any more."""
        self._heard.pop((feed, instrument), None)


def _words(trade: Trade) -> Trade:
    """Return what the vendor said, without when we heard it and from whom."""
    return msgspec.structs.replace(trade, ts_recv=0, source=None, possible_duplicate=False)
