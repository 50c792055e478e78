"""A bell: rung by plain functions, waited for by one task that then looks at everything again."""

import trio


class Bell:
    """Remembers that it was rung until somebody waits; any number of rings are one."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake who waits, or who waits next."""
        self._rung.set()

    async def wait(self) -> None:
        """Return once rung since the last return."""
        await self._rung.wait()
        self._rung = trio.Event()
