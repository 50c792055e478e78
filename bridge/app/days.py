"""Has vendors asked for what their streams do not tell of a quote; what they answer goes into the log like any event."""

import math
from collections.abc import Container

import trio

from bridge.dialects.contract import Question, QuestionKind
from bridge.downstream.contract import Ask
from bridge.model import FeedName, Want

DEADLINE_SECONDS = 20.0
"""An answer of a vendor that is asked for many quotes at once may wait for the others'."""


class Days:
    """Asks for the hub, which never waits itself.

    Args:
        ask: puts a question to a feed's vendor.
        feeds: who can be asked. Several feeds that serve as one are not: another may serve when the answer comes.
    """

    def __init__(self, ask: Ask, feeds: Container[FeedName]) -> None:
        self._ask = ask
        self._feeds = feeds
        # The hub asks for each quote once a minute, and an answer takes a third of that at most: so it never holds many.
        self._send, self._receive = trio.open_memory_channel[Want](math.inf)

    def want(self, want: Want) -> None:
        """Have the vendor asked for this quote."""
        if want.feed in self._feeds:
            self._send.send_nowait(want)

    async def run(self) -> None:
        """Ask, until cancelled."""
        async with trio.open_nursery() as nursery:
            async for want in self._receive:
                question = Question(kind=QuestionKind.QUOTE, instrument=want.topic.instrument)
                nursery.start_soon(self._ask, want.feed, question, DEADLINE_SECONDS)
