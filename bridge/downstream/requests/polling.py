"""`GET /v1/poll`: the same events as on a stream, fetched a page at a time.

Without `after` it answers with the current state, for which it waits up to two seconds where upstream has to be asked
first; with `after`, with what came since, for which it waits up to `wait`. It never folds: every event of the log is there.
A poll that still waits when its token ends is answered `token_expired`, as a stream would be ended.
"""

import math
from typing import Annotated

import msgspec
import trio

from bridge.dialects.contract import EncoderOptions, HttpAnswer, Refusal, Request, Transport
from bridge.dialects.contract.published import REFERS_TO_EVENTS, CursorText
from bridge.downstream.contract import Exchange, House, Identity
from bridge.downstream.fanout.codec import framed, texts
from bridge.downstream.goodbyes import problem
from bridge.downstream.questions.news import (
    FIRST_VALUE_SECONDS,
    has_value,
    lease,
    look_until,
    may_be_silent,
    no_value,
    nothing_can_stand,
)
from bridge.downstream.questions.remembered import without_refused
from bridge.downstream.streams.holdings import Holdings
from bridge.downstream.streams.terms import options_of
from bridge.hub.hub import Page
from bridge.model import SECONDS, Code, Topic, Verdict, Want

MAX_WAIT_SECONDS = 60.0
"""Longer than any proxy's idle timeout we know of would only look like a dead request."""

DEFAULT_EVENTS = 500
MAX_EVENTS = 5_000


class PollPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a poll is answered with. `events` are as on a stream; `cursor` is the next poll's `after`."""

    verdict: Verdict
    cursor: CursorText
    via: tuple[str, ...] = ()
    events: tuple[Annotated[msgspec.Raw, REFERS_TO_EVENTS], ...]


class PollQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a poll asks.

    Attributes:
        after: the cursor of the poll before; None = the current state.
        wait_seconds: how long to wait for news; 0 = not at all.
        limit: events in the answer at most.
    """

    topics: tuple[Topic, ...]
    after: str | None
    wait_seconds: float
    limit: int


def read_poll(request: Request) -> PollQuestion:
    """Read `?subscribe=…&after=…&wait=25&limit=500`.

    Raises:
        Refusal: `bad_request`, naming the parameter.
    """
    texts_asked = [text for value in request.query.get("subscribe", ()) for text in value.split(",") if text]
    if not texts_asked:
        raise Refusal(Code.BAD_REQUEST, "name the topics to poll: ?subscribe=quote:AAPL,trade:BTC-USD")
    try:
        topics = tuple(dict.fromkeys(map(Topic.parse, texts_asked)))
    except ValueError as error:
        raise Refusal(Code.BAD_REQUEST, str(error)) from error
    return PollQuestion(
        topics=topics,
        after=_last(request, "after") or None,
        wait_seconds=_number(request, "wait", 0.0, (0.0, MAX_WAIT_SECONDS)),
        limit=int(_number(request, "limit", DEFAULT_EVENTS, (1, MAX_EVENTS))),
    )


async def poll(house: House, exchange: Exchange) -> HttpAnswer:
    """Answer one poll.

    Raises:
        Refusal: any row of the goodbye table that a poll can meet.
    """
    served = exchange.served
    identity = await house.admission.identify(exchange.peer)
    question = read_poll(exchange.request)
    granted = house.admission.grant(identity, question.topics, house.resolve)
    Holdings(house.admission.limits(identity, served).subscriptions_per_connection).room_for(granted)
    standing, refusals = without_refused(house.hub, granted)
    if refusals and not standing:
        raise refusals[0]
    wants = tuple(dict.fromkeys(want for one in standing for want in one.wants))
    page: Page | None = None
    with house.admission.seat(identity, Transport.POLLING, served), trio.move_on_after(_seconds_left(house, identity)):
        lease(house, served, standing)
        page = await _page(house, wants, question)
    if page is None or not house.admission.stands(identity):
        raise Refusal(Code.TOKEN_EXPIRED, "the token ended while the poll waited; the cursor is good with another one")
    via = house.via(want.feed for want in wants)
    return _answer(house, exchange, page, refusals, via)


def _seconds_left(house: House, identity: Identity) -> float:
    """How long the asker's token lasts: a poll is not answered to one that has ended meanwhile."""
    if identity.expires is None:
        return math.inf
    return max(0.0, (identity.expires - house.clock()) / SECONDS)


async def _page(house: House, wants: tuple[Want, ...], question: PollQuestion) -> Page:
    """Return the page, once there is something on it or time is up.

    Raises:
        Refusal: `bad_request` for what is no cursor; `upstream_unavailable`, `upstream_full` or a vendor's own refusal where
            there is no state to give.
    """
    after = question.after

    def read() -> Page:
        try:
            return house.hub.read(wants, after, question.limit)
        except ValueError as error:
            raise Refusal(Code.BAD_REQUEST, f"that is no cursor: {error}") from error

    if after is not None:
        await look_until(house, wants, question.wait_seconds, lambda: bool(read().publications))
        return read()

    def enough() -> bool:
        return has_value(read().publications, wants) or nothing_can_stand(house.hub, wants)

    refused = await look_until(house, wants, FIRST_VALUE_SECONDS, enough)
    page = read()
    if not has_value(page.publications, wants) and not may_be_silent(house.hub, wants):
        raise no_value(house, wants, refused)
    return page


def _answer(house: House, exchange: Exchange, page: Page, refusals: list[Refusal], via: tuple[str, ...]) -> HttpAnswer:
    served = exchange.served
    options: EncoderOptions = options_of(exchange)
    codec = house.codecs.of(served.dialect, served.symbols, Transport.POLLING, options)
    data = b"".join(codec.encode(publication, house.hub) for publication in page.publications)
    conversation = served.dialect.conversation(Transport.POLLING, served.symbols)
    now = house.clock()
    for refusal in refusals:
        data += framed(Transport.POLLING, conversation.problem(problem(refusal, page.cursor, now)))
    pieces = tuple(map(msgspec.Raw, texts(data)))
    told = PollPage(verdict=page.verdict, cursor=page.cursor, via=via, events=pieces)
    return HttpAnswer(
        body=msgspec.json.encode(told),
        headers=(("content-type", "application/json"), ("cache-control", "private, no-store")),
        status=200,
    )


def _number(request: Request, name: str, default: float, bounds: tuple[float, float]) -> float:
    text = _last(request, name)
    if text is None:
        return default
    low, high = bounds
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and low <= int(text) <= high):
        raise Refusal(Code.BAD_REQUEST, f"{name} is a whole number from {low:g} to {high:g}")
    return int(text)


def _last(request: Request, name: str) -> str | None:
    values = request.query.get(name, ())
    return values[-1] if values else None
