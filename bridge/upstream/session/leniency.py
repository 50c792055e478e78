"""How much nonsense one connection is borne with: single malformed messages are survived, a run of them is not."""

from bridge.errors import VendorProtocolError
from bridge.upstream.session.effects import GiveUp

MALFORMED_IN_A_ROW = 20
"""So many malformed frames without a sound one between them: this is not the party we think it is; reconnect."""


class Leniency:
    """One connection's."""

    def __init__(self) -> None:
        self._malformed = 0

    def sound(self) -> None:
        """A message could be read."""
        self._malformed = 0

    def malformed(self, error: VendorProtocolError) -> list[GiveUp]:
        """Count one that could not; give up past `MALFORMED_IN_A_ROW`."""
        self._malformed += 1
        if self._malformed < MALFORMED_IN_A_ROW:
            return []
        return [GiveUp(f"{MALFORMED_IN_A_ROW} malformed messages in a row, the last: {error.reason}")]
