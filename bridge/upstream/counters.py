"""What a feed's sessions count together, whichever of them is alive."""


class SessionCounters:
    """What sessions of one feed have in common to count."""

    def __init__(self) -> None:
        self.events = 0
        self.unknown = 0
        self.malformed = 0
