"""One rung of the ladder on trial: how far it has come, and what is to be done next. Plain; times are handed in.

```
WAITING ──all that it is to carry is covered──► STEADY ──► NOTING ──► HOLDING ──► TAKE_OVER
   └──────── too long, or down, or lost what it had ──► GIVE_UP
```

A better rung must hold everything for a while before the feed climbs to it. Then what the old one says is noted first, and only
later is what the new one says held, so that a trade which comes on the new one in time is known from the old one, however
much sooner that was. When the rung in use is not well there is nothing to compare: who covers anything takes over at once.
"""

import enum

STEADY_SECONDS = 5.0
"""A better rung must have carried everything for so long: a vendor that drops us after the greeting does so sooner."""

LEAD_SECONDS = 1.0
"""The old one is noted for so long before the new one is held: the most that one transport may lag behind another."""

SETTLE_SECONDS = 1.0
"""Both are listened to for so long before the switch: what the vendor sent on the old one has arrived by then."""

TRIAL_SECONDS = 30.0
"""From the beginning of a trial to full coverage: two connects at their longest."""

LONGEST_SECONDS = 90.0
"""For a trial whose coverage comes and goes: it is not steady."""


class Stage(enum.Enum):
    """How far a trial is."""

    WAITING = enum.auto()
    """Not everything that it is to carry is covered."""
    STEADY = enum.auto()
    """Everything is; it has to stay so."""
    NOTING = enum.auto()
    """What the old rung says is noted."""
    HOLDING = enum.auto()
    """And what the new one says is held."""
    TAKE_OVER = enum.auto()
    """It is to serve now."""
    GIVE_UP = enum.auto()
    """It is not to be."""


class Trial:
    """See the module.

    Attributes:
        stage: how far it is.

    Args:
        now: when it began.
    """

    def __init__(self, now: float) -> None:
        self.stage = Stage.WAITING
        self._full_by = now + TRIAL_SECONDS
        self._over_by = now + LONGEST_SECONDS
        self._full_since: float | None = None

    @property
    def comparing(self) -> bool:
        """Both rungs are compared: what either carries must not be changed."""
        return self.stage in {Stage.NOTING, Stage.HOLDING}

    @property
    def due_at(self) -> float:
        """When to advance it at the latest."""
        if self._full_since is None:
            return self._full_by
        steps = (STEADY_SECONDS, STEADY_SECONDS + LEAD_SECONDS, STEADY_SECONDS + LEAD_SECONDS + SETTLE_SECONDS)
        done = {Stage.STEADY: 0, Stage.NOTING: 1}.get(self.stage, 2)
        return self._full_since + steps[done]

    def advance(self, now: float, *, full: bool, any_covered: bool, well: bool) -> Stage:
        """Return how far it is now.

        Args:
            now: the time.
            full: whether it carries all that it is to carry.
            any_covered: whether it carries anything.
            well: whether the rung in use is.
        """
        if not well and any_covered:
            self.stage = Stage.TAKE_OVER
        elif self.comparing and not full:
            self.stage = Stage.GIVE_UP
        elif not full:
            self.stage, self._full_since = Stage.WAITING, None
            if now >= self._full_by:
                self.stage = Stage.GIVE_UP
        else:
            self._follow(now)
        return self.stage

    def _follow(self, now: float) -> None:
        if self._full_since is None:
            self.stage, self._full_since = Stage.STEADY, now
            self._full_by = self._over_by
        elif now >= self.due_at:
            following = {Stage.STEADY: Stage.NOTING, Stage.NOTING: Stage.HOLDING, Stage.HOLDING: Stage.TAKE_OVER}
            self.stage = following[self.stage]
