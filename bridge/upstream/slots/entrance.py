"""How a carrier gets in at its vendor: with a credential, and through the feed's one door."""

import trio

from bridge.dialects.contract import Credential
from bridge.errors import BridgeError, Mistake, VendorRefused
from bridge.upstream.bell import Bell
from bridge.upstream.changes import first_of
from bridge.upstream.credentials.tokens import TokenKeeper
from bridge.upstream.slots.door import Door
from bridge.upstream.slots.link import Link
from bridge.upstream.slots.narrowing import is_of_topics

BAD_CREDENTIAL = frozenset({401, 403})


class Entrance:
    """See the module.

    Args:
        keeper: the feed's credential.
        door: the feed's.
    """

    def __init__(self, keeper: TokenKeeper, door: Door) -> None:
        self._keeper = keeper
        self._door = door

    async def enter(self) -> Credential | None:
        """Return the credential to connect with, once a connect may be made; `left` says what became of it.

        Raises:
            BridgeError: there is no credential to be had now.
        """
        await self._keeper.current()  # who has none does not even knock
        await self._door.enter()
        try:
            return await self._keeper.current()
        except BaseException:
            self._door.leave()
            raise

    async def enter_beside(self, old: Link, bell: Bell) -> bool:
        """Wait for a connect beside a link; False = the link ended before one might be made."""
        entered = False

        async def enter() -> None:
            nonlocal entered
            await self._door.enter()
            entered = True

        async def gone() -> None:
            while old.end is None:
                await bell.wait()

        try:
            await first_of(enter, gone)
        except trio.Cancelled:
            if entered:
                self._door.leave()
            raise
        return entered

    def left(self, link: Link) -> None:
        """A connect came to its end; the vendor is not tired of us for topics that it does not like, or for our mistakes."""
        end = link.end
        ours = end is None or is_of_topics(end) or isinstance(end, Mistake)
        self._door.leave(opened=link.ready, error=None if ours else end)

    def blame(self, link: Link, error: BridgeError) -> None:
        """If it is the credential's fault, let there be another."""
        if isinstance(error, VendorRefused) and error.status in BAD_CREDENTIAL:
            self._keeper.spoiled(link.credential)
