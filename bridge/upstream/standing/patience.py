"""How many failures in a row make a feed count as down."""

from bridge.errors import BridgeError, Mistake, VendorRefused

DOWN_AFTER = 3
"""Failed attempts in a row after which a feed counts as down: one is a hiccup, three span several seconds of backoff."""


def patience(error: BridgeError) -> int:
    """How many failures in a row make a feed count as down: a refusal is meant, but a first 401 may be a passing one."""
    if isinstance(error, Mistake):
        return 1
    if not isinstance(error, VendorRefused) or error.status is None or not 400 <= error.status < 500:
        return DOWN_AFTER
    return {401: 2, 403: 2, 408: DOWN_AFTER, 425: DOWN_AFTER, 429: DOWN_AFTER}.get(error.status, 1)
