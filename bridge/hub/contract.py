"""What the hub and a broker agree on: the log, wherever it lives, and the publications in it.

| who | supplies |
|---|---|
| broker | `Log`: it owns the epoch and the offsets |
| hub | `Apply`, handed to `Log.attach`: called once per publication, in log order, without awaiting |
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from bridge.hub.policy import Policy, policy_of
from bridge.model import LogEvent


class Publication(msgspec.Struct, gc=False):
    """An event with its place in the log.

    Attributes:
        offset: rises by one with every publication of an epoch, beginning at 1.
        event: what was published.
        whole: a quote's whole state is to be said: set on what is handed out at a join, not on what stands in the log.
        encoded: the bytes made of it so far, remembered by downstream's codec under keys of its own.
        found_policy: see `policy`; None until it was asked for.
        twin: the newest other spelling made of it (`hub.folding`), so that all who need that one share it.
    """

    offset: int
    event: LogEvent
    whole: bool = False
    encoded: dict[object, bytes] = msgspec.field(default_factory=dict)
    found_policy: Policy | None = None
    twin: "Publication | None" = None

    @property
    def policy(self) -> Policy:
        """How it is treated for those who lag; found once."""
        if self.found_policy is None:
            self.found_policy = policy_of(self.event)
        return self.found_policy


Apply = Callable[[Publication], None]


class Log(Protocol):
    """One totally ordered log.

    Attributes:
        epoch: names this log's life; lower-case letters and digits, no `-`; another life has another epoch.
        head: the offset of the newest publication; 0 = none yet.
    """

    epoch: str
    head: int

    def attach(self, apply: Apply) -> None:
        """Say who is told of every publication; exactly one, before the first `append`."""
        ...

    def append(self, event: LogEvent) -> None:
        """Put an event at the end, without awaiting.

        `apply` is called in log order: at once by a log in memory, later by one that lives elsewhere.
        """
        ...
