"""How a bridge spells instruments: as it calls them itself. Any id that a topic can hold is a spelling of itself."""

import functools

from bridge.dialects.contract import Transport
from bridge.model import InstrumentId, Topic


class CanonicalSpelling:
    """The identity, on every transport."""

    def vendor_symbol(self, instrument: InstrumentId, transport: Transport) -> str | None:
        """Return the id itself."""
        return instrument

    def instrument(self, vendor_symbol: str, transport: Transport) -> InstrumentId | None:
        """Return the symbol itself, or None when no topic could name it."""
        return _read(vendor_symbol)


@functools.lru_cache(maxsize=16_384)
def _read(symbol: str) -> InstrumentId | None:
    try:
        return Topic.parse(f"quote:{symbol}").instrument
    except ValueError:
        return None
