"""Every error of ours, sorted by whose fault it is.

The class says what the reader should do: mend the configuration, look at the vendor, mend the client, or wait for the
network. Foreign exceptions are translated into one of these where they enter, keeping their cause.
"""

OFFENDING_BYTES = 256
"""How much of a malformed message an error keeps: enough to recognise it, too little to fill a log."""

REASON_CHARS = 500
"""How much of what is wrong with a message an error says: a JSON library's own words may repeat a value of any length."""

PROBLEM_CHARS = 1_000
"""How much is said of one mistake in the configuration: what it repeats may be of any length."""

PLACES_TOLD = 64
"""Mistakes told apart by kind and place, each logged once."""


class BridgeError(Exception):
    """The base of all our errors; `str(error)` is one sentence fit for an operator."""


class ConfigError(BridgeError):
    """The operator's mistake in the configuration or on the command line. Mend it and start again.

    Args:
        problems: every mistake found, one sentence each, each naming its key; cut to `PROBLEM_CHARS`.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(problem[:PROBLEM_CHARS] for problem in problems)
        super().__init__("; ".join(self.problems))


class VendorProtocolError(BridgeError):
    """A vendor sent what its own documents do not allow. Counted and logged; the session decides whether to go on.

    Args:
        reason: what is wrong, in words; cut to `REASON_CHARS`.
        offending: the bytes as they came; cut to `OFFENDING_BYTES`.
    """

    def __init__(self, reason: str, offending: bytes | str = b"") -> None:
        raw = offending.encode("utf-8", "surrogatepass") if isinstance(offending, str) else bytes(offending)
        self.reason = reason = reason[:REASON_CHARS]
        self.offending = raw[:OFFENDING_BYTES]
        super().__init__(f"{reason}: {self.offending!r}" if raw else reason)


class VendorRefused(BridgeError):
    """A vendor understood us and said no (a bad key, a quota, an unknown symbol).

    Args:
        status: the HTTP status, or None on a transport without one.
        reason: the vendor's words, cut to a bound by who raises it; never a credential.
        retry_after_seconds: how long the vendor asks us to stay away, or None.
    """

    def __init__(self, status: int | None, reason: str, retry_after_seconds: float | None = None) -> None:
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"the vendor refused ({status}): {reason}" if status else f"the vendor refused: {reason}")


class TransportLost(BridgeError):
    """The network or the peer went away, or stayed silent past a deadline. Reconnect; nobody's program is wrong."""


class Mistake(BridgeError):
    """Something of ours, or of a plug-in, is wrong: a bug. Contained where it happened; the log has its traceback, once."""


class SubscriberProtocolError(BridgeError):
    """A client sent what our protocol does not allow; `str(error)` is told to it."""


class Unspeakable(BridgeError):
    """A dialect has no word for this event. Counted and skipped by who encodes; never a reason to end a stream."""


class Mistakes:
    """Counts mistakes of ours, and tells which are news: one that happens with every message must not fill a log.

    Attributes:
        count: how many there were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._places: set[tuple[str, str, int]] = set()

    def note(self, error: BaseException) -> bool:
        """Count one; return whether none of its kind came from that place before."""
        self.count += 1
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = ("", 0) if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        if (type(error).__name__, *place) in self._places or len(self._places) >= PLACES_TOLD:
            return False
        self._places.add((type(error).__name__, *place))
        return True
