"""A feed's credential as each of its rungs uses it: one keeper for all of them, which somebody else runs."""

import trio

from bridge.dialects.contract import Credential
from bridge.upstream.credentials.tokens import TokenKeeper


class BorrowedKeeper:
    """A `TokenKeeper` that is another's.

    Args:
        keeper: whoever lends it runs it.
    """

    def __init__(self, keeper: TokenKeeper) -> None:
        self._keeper = keeper

    @property
    def problem(self) -> str | None:
        """See `TokenKeeper.problem`."""
        return self._keeper.problem

    @problem.setter
    def problem(self, problem: str | None) -> None:
        self._keeper.problem = problem

    async def current(self) -> Credential | None:
        """See `TokenKeeper.current`."""
        return await self._keeper.current()

    def spoiled(self, credential: Credential | None) -> None:
        """See `TokenKeeper.spoiled`."""
        self._keeper.spoiled(credential)

    async def renewal(self, held: Credential | None) -> Credential:
        """See `TokenKeeper.renewal`."""
        return await self._keeper.renewal(held)

    async def run(self) -> None:
        """Wait to be cancelled: it is run already."""
        await trio.sleep_forever()
