"""An HTTP answer whose body is still arriving, and the one careful way to be done with it.

The library's body is a chain of async generators; one that is dropped half-way complains when it is collected. So an answer
that is closed early is first cut off and then run dry: each generator meets the cut and unwinds.
"""

from collections.abc import Mapping
from contextlib import suppress

import httpx2
import trio

from bridge.upstream.network.body import Body
from bridge.upstream.network.faults import FOREIGN, lost
from bridge.upstream.network.refusals import Head

CLOSE_SECONDS = 1.0
"""For an orderly end of a connection; then it is closed as it is."""


class Answer(Body):
    """An answer's head, and its body chunk by chunk. One task reads; any may close.

    Attributes:
        head: status, reason and headers; their names do not mind the case.

    Args:
        response: as the library gave it, streaming; owned from now on.
        peer: `host:port`, for sentences.
    """

    def __init__(self, response: httpx2.Response, peer: str) -> None:
        headers: Mapping[str, str] = response.headers
        self.head = Head(response.status_code, response.reason_phrase, headers)
        self._response = response
        self._peer = peer
        self._chunks = response.aiter_raw()
        self._reading = False

    async def next_chunk(self) -> bytes | None:
        """Return the next bytes as they come, or None at the body's end. A cancelled call ends the body.

        Raises:
            TransportLost: the connection broke or was closed.
        """
        self._reading = True
        try:
            return await anext(self._chunks, None)
        except FOREIGN as error:
            raise lost(self._peer, error) from error
        finally:
            self._reading = False

    async def aclose(self) -> None:
        """Close, read or not: never raises, waits at most `CLOSE_SECONDS`, safe to repeat, also under cancellation."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            with suppress(*FOREIGN):  # it was broken already, which is as closed as it gets
                await self._response.aclose()
            with suppress(*FOREIGN):  # the cut that each generator is meant to meet
                while not self._reading and await anext(self._chunks, None) is not None:
                    pass
