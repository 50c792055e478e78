"""The body of an answer, whichever library reads it: in chunks as they come, or whole within a bound."""

from typing import Protocol

from bridge.errors import TransportLost


class Body(Protocol):
    """What has chunks, of a peer; who reads them adds `next_chunk`."""

    _peer: str

    async def next_chunk(self) -> bytes | None:
        """Return the next bytes as they come, or None at the end."""
        ...

    async def read(self, max_bytes: int) -> bytes:
        """Return the whole body; the caller sets the deadline.

        Raises:
            TransportLost: the connection broke, or the body passes the bound.
        """
        body = bytearray()
        while (chunk := await self.next_chunk()) is not None:
            body += chunk
            if len(body) > max_bytes:
                raise TransportLost(f"{self._peer}: an answer of more than {max_bytes} bytes")
        return bytes(body)
