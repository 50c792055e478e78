"""What a bridge's refusals and goodbyes ask of `feedbridge tail`: to give up with a way out, or to come back and when."""

from bridge.cli.tail_views import Event, read_event
from bridge.errors import BridgeError

LONGEST_ASKED_SECONDS = 600.0
"""However long a bridge asks us to stay away, we look again after this."""


class Refused(BridgeError):
    """The bridge said no in a way that no retry can mend."""


class ComeBack(Exception):
    """The connection is over; come back, in `seconds` if the bridge said when."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        self.why = why
        self.seconds = seconds
        super().__init__(why)


def goodbye(event: Event) -> Refused | ComeBack:
    """Return what to raise for a `goaway`."""
    reason, wait = event.get("reason"), event.get("retry_after_ms")
    if event.get("retry") == "no" or reason == "token_expired":
        return Refused(f"the bridge ended the stream: {reason}; {_way_out(str(reason))}")
    if event.get("retry") == "now":
        return ComeBack(f"the bridge hung up ({reason})", 0)
    return ComeBack(f"the bridge hung up ({reason})", _bounded(wait / 1_000) if isinstance(wait, int | float) else None)


def refusal(status: int, body: bytes, retry_after: str | None) -> Refused | ComeBack:
    """Return what to raise for an HTTP answer other than 200."""
    told = (read_event(body) or {}).get("error")
    told = told if isinstance(told, dict) else {}
    code, message = told.get("code", f"HTTP {status}"), told.get("message", "no reason given")
    if status == 429 or status >= 500:
        seconds = retry_after or str(told.get("retry_after", ""))
        stay_away = _bounded(float(seconds)) if seconds.isascii() and seconds.isdigit() else None
        return ComeBack(f"{code}: {message}", stay_away)
    return Refused(f"the bridge refused ({code}): {message}; {_way_out(str(code))}")


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)


def _way_out(code: str) -> str:
    return {
        "unauthorized": "give a token with --token or FEEDBRIDGE_TOKEN",
        "token_expired": "get a new token (feedbridge token) and start again",
        "forbidden": "ask for a token that grants these topics",
        "too_many_subscriptions": "follow fewer topics",
    }.get(code, "check the URL and the topics")
