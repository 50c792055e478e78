"""`PATCH /v1/stream/{stream}`: change a stream that is open, as its own WebSocket operations would, and renew its token.

All or nothing: everything that can be refused is, before anything is changed; then nothing waits, so no event comes between.
A stream of another user is answered like one that does not exist: its name is a secret, and guessing must not pay.
"""

from http import HTTPStatus
from typing import NamedTuple

import msgspec

from bridge.dialects.contract import HttpAnswer, Refusal
from bridge.dialects.contract.published import CursorText, Moment, Rate, TopicText
from bridge.downstream.contract import Exchange, Granted, House, Identity
from bridge.downstream.questions.remembered import without_refused
from bridge.downstream.requests.answers import plain_refusal
from bridge.downstream.streams.connection import StreamConnection
from bridge.model import Code, Topic, Wishes, rfc3339


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client asks for; what is left out stays as it is. A key that we do not know is refused: it would not be done.

    Attributes:
        add: topics, which start fresh; what is held already stays as it is.
        remove: topics; what is not held is passed over.
        conflate: as on the stream's URL, likewise `max_rate`; 0 = no limit.
        token: replaces the stream's.
    """

    add: tuple[TopicText, ...] = ()
    remove: tuple[TopicText, ...] = ()
    conflate: bool | None = None
    max_rate: Rate | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return "<Change>"

    __str__ = __repr__


class Changed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What holds for a stream after a change of it; `cursor` is where it stands."""

    stream: str
    topics: tuple[TopicText, ...]
    conflate: bool
    max_rate: float | int
    cursor: CursorText
    via: tuple[str, ...] = ()
    expires: Moment | None = None


_read_change = msgspec.json.Decoder(Change).decode


async def patch(house: House, exchange: Exchange) -> HttpAnswer:
    """Answer one change with what holds for the stream from now on.

    Raises:
        Refusal: any row of the goodbye table that a change can meet; nothing was changed then.
    """
    asker = await house.admission.identify(exchange.peer)
    change = _read(exchange.request.body)
    identity = asker if change.token is None else await house.admission.verify(change.token)
    stream = _find(house, exchange.request.segments.get("stream", ""), asker)
    if stream is None:
        return plain_refusal(Code.BAD_REQUEST, "you have no open stream of this name", HTTPStatus.NOT_FOUND)
    if identity.user != asker.user:
        raise Refusal(Code.FORBIDDEN, "the new token is another user's; open a stream of its own")
    judged = _judged(house, stream, change, identity)
    if change.token is not None:
        stream.renew(identity)
    stream.unsubscribe(judged.leaving)
    stream.subscribe(judged.coming, None)
    stream.wish(judged.wishes)
    for refusal in judged.refusals:
        stream.complain(refusal)
    return _answer(house, stream)


def _read(body: bytes) -> Change:
    try:
        return _read_change(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(Code.BAD_REQUEST, f'not a change such as {{"add":["quote:AAPL"]}}: {error}') from error


def _find(house: House, name: str, asker: Identity) -> StreamConnection | None:
    stream = house.connections.find(name)
    if not isinstance(stream, StreamConnection) or stream.identity.user != asker.user:
        return None
    return stream if stream.writer.subscription is not None and stream.writer.ending is None else None


class _Judged(NamedTuple):
    """A change that is allowed: `refusals` are of parts of an `all:`, which are told on the stream."""

    wishes: Wishes
    leaving: tuple[Topic, ...]
    coming: list[Granted]
    refusals: list[Refusal]


def _judged(house: House, stream: StreamConnection, change: Change, identity: Identity) -> _Judged:
    """Return the change, once all of it is allowed.

    Raises:
        Refusal: some of it is not.
    """
    try:
        wishes = stream.wishes.changed(conflate=change.conflate, max_rate=change.max_rate)
        adding = tuple(dict.fromkeys(map(Topic.parse, change.add)))
        leaving = stream.holdings.held(tuple(map(Topic.parse, change.remove)))
    except ValueError as error:
        raise Refusal(Code.BAD_REQUEST, str(error)) from error
    granted = house.admission.grant(identity, adding, house.resolve)
    standing, refusals = without_refused(house.hub, granted)
    if len(standing) < len(granted):
        raise refusals[0]
    stream.holdings.room_for(standing, leaving, stream.limits_of(identity).subscriptions_per_connection)
    return _Judged(wishes, leaving, standing, refusals)


def _answer(house: House, stream: StreamConnection) -> HttpAnswer:
    expires, rate = stream.identity.expires, stream.wishes.max_rate
    told = Changed(
        stream=stream.name,
        topics=tuple(dict.fromkeys(map(str, stream.holdings.served))),
        conflate=stream.wishes.conflate,
        max_rate=int(rate) if rate == int(rate) else rate,
        cursor=stream.writer.at,
        via=house.via(want.feed for one in stream.holdings.granted for want in one.wants),
        expires=None if expires is None else rfc3339(expires),
    )
    headers = (("content-type", "application/json"), ("cache-control", "private, no-store"))
    return HttpAnswer(body=msgspec.json.encode(told), headers=headers)
