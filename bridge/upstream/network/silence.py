"""How long a vendor may be silent: seen to beside the reading, so that no read pays for a deadline of its own."""

from typing import NoReturn

import trio

from bridge.errors import TransportLost
from bridge.upstream.contract import Connection


class WentMute(TransportLost):
    """A connection stayed open and nothing came any more, not even a heartbeat. Reconnect; what it carried may be stale."""


async def until_silent(connection: Connection, name: str) -> NoReturn:
    """Wait until nothing was heard on a connection for too long.

    Args:
        connection: somebody else receives on it.
        name: whose it is, for the sentence.

    Raises:
        WentMute: it has been silent for `silence_seconds`.
    """
    dead_at = connection.heard_at + connection.silence_seconds
    while dead_at > trio.current_time():
        await trio.sleep_until(dead_at)
        dead_at = connection.heard_at + connection.silence_seconds
    raise WentMute(f"{name}: silent for {connection.silence_seconds:g} s")
