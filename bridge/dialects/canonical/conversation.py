"""A bridge's side of a connection with its client: reads `?subscribe=` and WebSocket operations, says what became of them.

One class for both transports, which differ in three points: SSE subscribes in the opening request, WebSocket by operations
that are answered with `ok`; on SSE a comment is the heartbeat, on WebSocket RFC 6455's ping; and an SSE client that
reconnects sends its original URL again, so that its `Last-Event-ID` counts and an old `?after=` does not.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

from bridge.dialects.canonical.requests import (
    ClientOperation,
    PingOperation,
    RenewOperation,
    SubscribeOperation,
    UnsubscribeOperation,
    read_topics,
)
from bridge.dialects.contract import (
    Action,
    Message,
    Refusal,
    Renew,
    Reply,
    Request,
    Subscribe,
    Transport,
    Unsubscribe,
)
from bridge.dialects.contract.published import TRUTHS
from bridge.dialects.scalars import MALFORMED
from bridge.model import Bar, Code, Goaway, Problem, Stream, Topic, UnixNanos, Wishes, rfc3339

MAX_REF = 200
"""Characters of a client's `ref`: enough for any topic or UUID, too few to make our answers a burden."""

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?", re.ASCII)

_read_operation = msgspec.json.Decoder(ClientOperation).decode


class _Referring(msgspec.Struct):
    """As much as a wrong operation may still tell."""

    ref: str | None = None


_read_ref = msgspec.json.Decoder(_Referring).decode


class CanonicalConversation:
    """One connection's.

    Args:
        transport: SSE or WebSocket.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._subscribed = False

    def open(self, request: Request) -> Sequence[Action]:
        """Read the opening request; on SSE it subscribes.

        Raises:
            Refusal: `bad_request`, with the parameter.
        """
        if self._transport is Transport.WEBSOCKET:
            return ()
        topics, after = _read_subscribe(request), _read_after(request)
        conflate, max_rate = _read_conflate(request), _read_max_rate(request)
        _check_wishes(conflate, max_rate)
        return (Subscribe(topics=topics, after=after, conflate=conflate, max_rate=max_rate),)

    def receive(self, text: str | bytes, now: UnixNanos) -> Sequence[Action]:
        """Read an operation.

        Raises:
            Refusal: `bad_request`, with the operation's `ref` when it can be read.
        """
        operation = _operation(text)
        match operation:
            case SubscribeOperation():
                return (self._subscribe(operation),)
            case UnsubscribeOperation(topics=texts, ref=ref):
                return (Unsubscribe(topics=None if texts is None else read_topics(texts, ref), ref=ref),)
            case RenewOperation(token=token, ref=ref):
                return (Renew(token=token, ref=ref),)
            case PingOperation(ref=ref):
                return (Reply(messages=(_ok("ping", ref),)),)

    def _subscribe(self, operation: SubscribeOperation) -> Subscribe:
        _check_wishes(operation.conflate, operation.max_rate, operation.ref)
        if operation.after is not None and self._subscribed:
            message = "after is only for the first subscribe of a connection; open a new one to resume elsewhere"
            raise Refusal(Code.BAD_REQUEST, message, ref=operation.ref)
        only_wishes = self._subscribed and (operation.conflate is not None or operation.max_rate is not None)
        nothing_new = only_wishes and not operation.topics
        return Subscribe(
            topics=() if nothing_new else read_topics(operation.topics, operation.ref),
            after=operation.after,
            ref=operation.ref,
            conflate=operation.conflate,
            max_rate=operation.max_rate,
        )

    def greeting(self, now: UnixNanos) -> Sequence[Message]:
        """Nothing: a bridge's first word is `stream`."""
        return ()

    def stream(self, stream: Stream) -> Sequence[Message]:
        """Say how the stream begins."""
        return (
            _message(
                "stream",
                stream.at,
                ts_recv=rfc3339(stream.ts_recv),
                stream=stream.stream,
                verdict=stream.verdict.value,
                topics=stream.topics,
                limits=stream.limits,
                conflate=stream.wishes.conflate or None,
                max_rate=_rate(stream.wishes.max_rate or None),
                expires=_time(stream.expires),
                via=stream.via or None,
            ),
        )

    def subscribed(self, action: Subscribe, topics: Sequence[Topic], cursor: str, now: UnixNanos) -> Sequence[Message]:
        """Answer a subscribe with what is served; SSE has said it in `stream`."""
        self._subscribed = True
        if self._transport is Transport.SSE:
            return ()
        more = {"conflate": action.conflate, "max_rate": _rate(action.max_rate), "via": action.via or None}
        return (_ok("subscribe", action.ref, topics=_spelled(topics), cursor=cursor, **more),)

    def history(self, action: Subscribe, past: Sequence[Bar], now: UnixNanos) -> Sequence[Message]:
        """Return nothing: what is past is had by a cursor, or at the state endpoint of bars."""
        return ()

    def wordings(self) -> Mapping[Topic, Sequence[str]]:
        """Return nothing: there is one word for each thing."""
        return {}

    def unsubscribed(
        self,
        action: Unsubscribe,
        topics: Sequence[Topic],
        cursor: str,
        now: UnixNanos,
    ) -> Sequence[Message]:
        """Answer an unsubscribe with what was dropped."""
        return (_ok("unsubscribe", action.ref, topics=_spelled(topics), cursor=cursor),)

    def renewed(self, action: Renew, expires: UnixNanos | None, cursor: str, now: UnixNanos) -> Sequence[Message]:
        """Answer a renewal with when the new token ends."""
        return (_ok("renew", action.ref, expires=_time(expires), cursor=cursor),)

    def problem(self, problem: Problem) -> Sequence[Message]:
        """Say what could not be done."""
        return (
            _message(
                "problem",
                problem.at,
                ts_recv=rfc3339(problem.ts_recv),
                code=problem.code.value,
                message=problem.message,
                topic=problem.topic,
                retry=problem.retry.value,
                ref=problem.ref,
            ),
        )

    def expiring(self, expires: UnixNanos, cursor: str, now: UnixNanos) -> Sequence[Message]:
        """Say when the token ends, while there is time to renew it."""
        return (_message("expiring", cursor, ts_recv=rfc3339(now), expires=rfc3339(expires)),)

    def goodbye(self, goaway: Goaway) -> Sequence[Message]:
        """Say why the stream ends, and the cursor to come back with."""
        return (
            _message(
                "goaway",
                goaway.at,
                ts_recv=rfc3339(goaway.ts_recv),
                reason=goaway.reason.value,
                retry=goaway.retry.value,
                retry_after_ms=goaway.retry_after_ms,
            ),
        )

    def heartbeat(self, now: UnixNanos) -> Sequence[Message]:
        """A comment on SSE; on WebSocket the transport's own ping is enough."""
        return (Message(b"", comment="heartbeat"),) if self._transport is Transport.SSE else ()


def _read_subscribe(request: Request) -> tuple[Topic, ...]:
    """Read `?subscribe=`: separated by commas, repeated, or both.

    Raises:
        Refusal: it is missing, or a part of it is no topic.
    """
    texts = [text for value in request.query.get("subscribe", ()) for text in value.split(",") if text]
    if not texts:
        raise Refusal(Code.BAD_REQUEST, "name the topics to follow: ?subscribe=quote:AAPL,trade:BTC-USD")
    return read_topics(texts)


def _read_after(request: Request) -> str | None:
    """Return the cursor to resume from: `Last-Event-ID`, else `?after=`, else None. An empty one is none."""
    return request.headers.get("last-event-id") or next((text for text in request.query.get("after", ()) if text), None)


def _read_conflate(request: Request) -> bool | None:
    text = _last(request, "conflate")
    if text is not None and text not in TRUTHS:
        raise Refusal(Code.BAD_REQUEST, "conflate is true or false")
    return None if text is None else TRUTHS[text]


def _read_max_rate(request: Request) -> float | None:
    text = _last(request, "max_rate")
    if text is not None and _NUMBER.fullmatch(text) is None:
        raise Refusal(Code.BAD_REQUEST, "max_rate is a number of events per second and topic")
    return None if text is None else float(text)


def _last(request: Request, name: str) -> str | None:
    values = request.query.get(name, ())
    return values[-1] if values else None


def _check_wishes(conflate: bool | None, max_rate: float | None, ref: str | None = None) -> None:  # noqa: FBT001 - as told
    """Let pass what can be fulfilled.

    Raises:
        Refusal: the rate is none.
    """
    try:
        Wishes().changed(conflate=conflate, max_rate=max_rate)
    except ValueError as error:
        raise Refusal(Code.BAD_REQUEST, str(error), ref=ref) from error


def _rate(rate: float | None) -> float | None:
    """Spell whole numbers as such."""
    return int(rate) if rate is not None and rate == int(rate) else rate


def _operation(text: str | bytes) -> ClientOperation:
    try:
        operation: ClientOperation = _read_operation(text)
    except MALFORMED as error:
        reason = 'not an operation such as {"op":"subscribe","topics":["quote:AAPL"]}'
        raise Refusal(Code.BAD_REQUEST, f"{reason}: {error}", ref=_ref(text)) from error
    if operation.ref is not None and len(operation.ref) > MAX_REF:
        raise Refusal(Code.BAD_REQUEST, f"ref has more than {MAX_REF} characters")
    return operation


def _ref(text: str | bytes) -> str | None:
    try:
        ref = _read_ref(text).ref
    except MALFORMED:
        return None
    return ref if ref is None or len(ref) <= MAX_REF else None


def _spelled(topics: Sequence[Topic]) -> list[str]:
    """Spell topics; those that differ only in what is never spelled (whose orders, which feed's status) are one."""
    return list(dict.fromkeys(str(topic) for topic in topics))


def _time(moment: UnixNanos | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _message(name: str, at: str, **fields: object) -> Message:
    known = {key: value for key, value in fields.items() if value is not None}
    return Message(msgspec.json.encode({"type": name, "id": at, **known}), name, at)


def _ok(op: str, ref: str | None, **fields: object) -> Message:
    known = {key: value for key, value in (("ref", ref), *fields.items()) if value is not None}
    return Message(msgspec.json.encode({"type": "ok", "op": op, **known}), "ok")
