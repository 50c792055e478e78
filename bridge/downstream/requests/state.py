"""State endpoints: how things stand now, in one answer, with `ETag` and `304`.

A quote or a book is the hub's state; trades and bars are the newest it keeps; bars that it does not have, and single orders,
are asked of the vendor. An order is only ever asked for, and told, on behalf of an account that the caller holds.
"""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from bridge.dialects.contract import (
    HttpAnswer,
    Outcome,
    Question,
    QuestionKind,
    Refusal,
    Request,
    StateAnswer,
    StateQuestion,
)
from bridge.dialects.contract.published import InstrumentText
from bridge.downstream.access.entitlement import may_see
from bridge.downstream.contract import Exchange, House, Identity
from bridge.downstream.questions.news import FIRST_VALUE_SECONDS, lease, look_until, no_value
from bridge.downstream.questions.past import asked_bars, kept_bars
from bridge.downstream.questions.remembered import without_refused
from bridge.errors import Unspeakable
from bridge.hub.hub import Hub
from bridge.model import (
    Code,
    FeedName,
    InstrumentId,
    LogEvent,
    OrderUpdate,
    Topic,
    TopicKind,
    Want,
)
from bridge.model.account import order_feed

Found = Sequence[tuple[LogEvent, str]]
"""Events with their cursors, oldest first."""

PRIVATE = "private, no-cache"
"""What is told to one client is no one else's, and never told again without asking."""

_TAG = re.compile(r'(?:^|,)\s*(W/)?("[^"]*")')
"""The entity tags of a list, without their weakness."""

_VISIBLE = (TopicKind.ALL, TopicKind.BAR)


class ListedInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument of the configuration, and the feeds that serve it, the preferred one first."""

    id: InstrumentText
    feeds: tuple[FeedName, ...]


class InstrumentsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The listed instruments that the caller may see something of."""

    instruments: tuple[ListedInstrument, ...]


async def state(house: House, exchange: Exchange) -> HttpAnswer:
    """Answer one state request.

    Raises:
        Refusal: any row of the goodbye table that it can meet.
    """
    served = exchange.served
    identity = await house.admission.identify(exchange.peer)
    question = served.dialect.state_question(exchange.request, served.symbols)
    if question.order_id is not None:
        found = await _order(house, identity, question.order_id)
    else:
        found = await _standing(house, exchange, identity, question)
    answer = _spelled(exchange, found)
    # The cursor moves with every event of the house, so what is tagged is the answer without it: hence the weak tag.
    tagged = _spelled(exchange, [(event, house.hub.cursor(0)) for event, _ in found])
    return conditional(exchange.request, answer, f'W/"{_digest(tagged.body)}"')


async def instruments(house: House, exchange: Exchange) -> HttpAnswer:
    """Answer with the listed instruments that the caller may see something of, and the feeds that serve each.

    Raises:
        Refusal: the caller does not get in.
    """
    identity = await house.admission.identify(exchange.peer)
    visible = tuple(
        ListedInstrument(id=name, feeds=tuple(feeds))
        for name, feeds in house.instruments.items()
        if any(may_see(identity, Topic(kind, InstrumentId(name))) for kind in _VISIBLE)
    )
    body = msgspec.json.encode(InstrumentsPage(instruments=visible))
    return conditional(exchange.request, HttpAnswer(body=body, status=200), strong_tag(body))


def conditional(request: Request, answer: HttpAnswer, tag: str, keep: str = PRIVATE) -> HttpAnswer:
    """Tag an answer, and answer 304 without a body to who has it already, 412 to who asks for another.

    RFC 9110 §13.1.1 and §13.1.2: strong comparison for `If-Match`, weak for `If-None-Match`.

    Args:
        request: may have an `If-Match` or `If-None-Match`.
        answer: as it is told to who has none, or another.
        tag: its entity tag.
        keep: the `Cache-Control`; what is private differs by who asks.
    """
    headers: tuple[tuple[str, str], ...] = (("etag", tag), ("cache-control", keep))
    if keep == PRIVATE:
        headers = (*headers, ("vary", "authorization"))
    wanted = request.headers.get("if-match", "*")
    if wanted.strip() != "*" and ("", tag) not in _TAG.findall(wanted):
        return HttpAnswer(body=b"", headers=headers, status=412)
    asked = request.headers.get("if-none-match", "")
    if asked.strip() == "*" or tag.removeprefix("W/") in (known for _, known in _TAG.findall(asked)):
        return HttpAnswer(body=b"", headers=headers, status=304)
    return HttpAnswer(body=answer.body, headers=(*answer.headers, *headers), status=answer.status)


def strong_tag(body: bytes) -> str:
    """Return the tag of an answer that is always spelled in the same bytes."""
    return f'"{_digest(body)}"'


def _spelled(exchange: Exchange, found: Found) -> HttpAnswer:
    served = exchange.served
    try:
        return served.dialect.state_answer(exchange.request, StateAnswer(events=tuple(found)), served.symbols)
    except Unspeakable as error:
        raise Refusal(Code.UNSUPPORTED_TOPIC, f"that cannot be said here: {error}") from error


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


async def _standing(house: House, exchange: Exchange, identity: Identity, question: StateQuestion) -> Found:
    granted = house.admission.grant(identity, [question.topic], house.resolve)
    standing, refusals = without_refused(house.hub, granted)
    if refusals:
        raise refusals[0]
    lease(house, exchange.served, standing)
    (want,) = standing[0].wants
    found = _look(house.hub, want, question.limit)
    if not found and want.topic.kind is TopicKind.BAR:
        found = await asked_bars(house, want, question.limit, FIRST_VALUE_SECONDS)
    if not found:
        refused = await look_until(
            house, [want], FIRST_VALUE_SECONDS, lambda: bool(_look(house.hub, want, question.limit))
        )
        found = _look(house.hub, want, question.limit)
        if not found:
            raise no_value(house, [want], refused)
    return found


def _look(hub: Hub, want: Want, limit: int) -> Found:
    """Return what the hub has of a topic now."""
    if want.topic.kind is TopicKind.BAR:
        return kept_bars(hub, want, limit)
    if want.topic.kind is TopicKind.TRADE:
        return [(one.event, hub.cursor(one.offset)) for one in hub.recent(want, limit)]
    standing = hub.state(want)
    return [] if standing is None else [(standing.event, hub.cursor(standing.offset))]


async def _order(house: House, identity: Identity, order_id: str) -> Found:
    """Ask each of the caller's accounts' vendors for an order.

    Raises:
        Refusal: `forbidden`: the caller holds no account; `unknown_instrument`: no such order; `upstream_unavailable`.
    """
    if not identity.accounts:
        raise Refusal(Code.FORBIDDEN, "you hold no account whose orders are served here")
    outcomes = set()
    for account in identity.accounts:
        question = Question(kind=QuestionKind.ORDER, order_id=order_id, account=account)
        answer = await house.ask(order_feed(account), question, FIRST_VALUE_SECONDS)
        outcomes.add(answer.outcome)
        for event in answer.events:
            if isinstance(event, OrderUpdate) and event.account == account and event.order_id == order_id:
                return [(event, house.hub.cursor())]
    if Outcome.FAILED in outcomes:
        raise Refusal(Code.UPSTREAM_UNAVAILABLE, "the vendor did not answer; try again")
    raise Refusal(Code.UNKNOWN_INSTRUMENT, "none of your accounts has an order of this id")
