"""How Liquidity spells instruments: a bare asset id such as `AAPL`, `BTC` or `SPACEX-PRE`, and `BTC-USD` on the WebSocket.

That `BTC` and `BTC-USD` are one thing is for the configuration's `[instruments]` to say; by rule an id is spelled as it is.
"""

import re

from bridge.dialects.contract import Transport
from bridge.model import InstrumentId

_SYMBOL = re.compile(r"[A-Za-z0-9.\-_^=!&@$/]{1,64}", re.ASCII)


class LiquiditySpelling:
    """The same on every transport; a colon would end the channel in `subscribe=quote:AAPL`, so no id may have one."""

    def vendor_symbol(self, instrument: InstrumentId, transport: Transport) -> str | None:
        """Return the id itself, or None when it has a colon."""
        return instrument if _SYMBOL.fullmatch(instrument) else None

    def instrument(self, vendor_symbol: str, transport: Transport) -> InstrumentId | None:
        """Return the symbol itself, or None when it cannot be an id."""
        return InstrumentId(vendor_symbol) if _SYMBOL.fullmatch(vendor_symbol) else None
