"""Event streams: one request, its topics in the URL, resumed by `Last-Event-ID`.

Whatever can be refused is refused before the first byte, as an HTTP status. After that the stream lives on until it says
goodbye; a topic that the vendor refuses leaves it with a problem. A browser's EventSource gives up for ever on any answer
but 200, so a dialect may be configured to refuse with 200 and a long `retry:` instead.
"""

import secrets
from typing import NamedTuple

from bridge.dialects.contract import Conversation, Refusal, Reply, Subscribe, Transport
from bridge.downstream.access.entitlement import grant_orders
from bridge.downstream.contract import Exchange, Granted, House, Identity
from bridge.downstream.outlets.asgi import SseOutlet
from bridge.downstream.outlets.choice import event_stream
from bridge.downstream.outlets.outlet import Receive, Scope, Send
from bridge.downstream.questions.remembered import without_refused
from bridge.downstream.streams.connection import StreamConnection
from bridge.downstream.streams.terms import Terms
from bridge.model import Code
from bridge.wire.sse import sse_retry

RETRY_MS = 3_000
"""EventSource's own default; said so that every client has it, with `RETRY_SPREAD_MS` so that they do not come together."""

RETRY_SPREAD_MS = 2_000

REFUSAL_RETRY_MS = 15_000


class _Welcome(NamedTuple):
    """A request that is let in.

    Attributes:
        replies: what is to be said beside.
        standing: what serves it.
        refusals: of what the vendor refused lately, while the rest stands.
    """

    identity: Identity
    conversation: Conversation
    subscribe: Subscribe
    replies: list[Reply]
    standing: list[Granted]
    refusals: list[Refusal]


async def serve_sse(house: House, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one event stream until it has ended or its client is gone.

    Args:
        house: the bridge.
        exchange: the request.
        scope: the request's ASGI scope; only its state is looked at, for the connection under it.
        receive: its ASGI `receive`, drained here.
        send: its ASGI `send`.

    Raises:
        Refusal: nothing has been sent yet.
    """
    try:
        await _serve(house, exchange, scope, receive, send)
    except Refusal:
        if exchange.served.settings.sse_refusal != "retry":
            raise
        await _say_all(send, sse_retry(REFUSAL_RETRY_MS))


async def head_of_sse(house: House, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer HEAD: the headers with which a GET would begin, or its refusal. Takes what `serve_sse` takes."""
    try:
        welcome = await _welcomed(house, exchange)
        with house.admission.seat(welcome.identity, Transport.SSE, exchange.served):
            pass  # there is one
    except Refusal:
        if exchange.served.settings.sse_refusal != "retry":
            raise
    await _say_all(send, b"")


async def _say_all(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": list(SseOutlet.HEADERS)})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _welcomed(house: House, exchange: Exchange) -> _Welcome:
    if house.closing.is_set():
        raise Refusal(Code.GOING_AWAY, "the bridge is stopping; come back soon")
    served = exchange.served
    identity = await house.admission.identify(exchange.peer)
    conversation = served.dialect.conversation(Transport.SSE, served.symbols)
    subscribe, replies = _opened(conversation, exchange)
    granted = house.admission.grant(identity, subscribe.topics, house.resolve)
    # One dead topic does not end a reconnecting client's stream; only when nothing is left is the request refused.
    standing, refusals = without_refused(house.hub, granted)
    if refusals and not standing:
        raise refusals[0]
    return _Welcome(identity, conversation, subscribe, replies, standing, refusals)


async def _serve(house: House, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
    identity, conversation, subscribe, replies, standing, refusals = await _welcomed(house, exchange)
    served = exchange.served
    unasked = grant_orders(identity, house.resolve) if subscribe.orders else ()
    with house.admission.seat(identity, Transport.SSE, served):
        stream = StreamConnection(
            Terms(
                house=house,
                exchange=exchange,
                identity=identity,
                transport=Transport.SSE,
                conversation=conversation,
                limits=house.admission.limits(identity, served),
                peer=scope.get("state", {}).get("bridge.connection"),
            )
        )
        if subscribe.orders_of is not None:
            stream.writer.tell_orders_of(subscribe.orders_of)
        stream.writer.say_raw(sse_retry(RETRY_MS + secrets.randbelow(RETRY_SPREAD_MS)))
        stream.writer.say(conversation.greeting(house.clock()))
        stream.wish(stream.wishes.changed(conflate=subscribe.conflate, max_rate=subscribe.max_rate))
        stream.subscribe(standing, subscribe.after, unasked)
        for reply in replies:
            stream.writer.say(reply.messages)
        for refusal in refusals:
            stream.complain(refusal)
        await stream.run(event_stream(scope, send), lambda: until_gone(receive))


def _opened(conversation: Conversation, exchange: Exchange) -> tuple[Subscribe, list[Reply]]:
    """Return what the request subscribes to, and what is to be said beside."""
    subscribe: Subscribe | None = None
    replies: list[Reply] = []
    for action in conversation.open(exchange.request):
        match action:
            case Subscribe():
                subscribe = action
            case Reply():
                replies.append(action)
            case _:
                raise Refusal(Code.BAD_REQUEST, "an event stream's request can only subscribe")
    if subscribe is None or not (subscribe.topics or subscribe.orders):
        raise Refusal(Code.BAD_REQUEST, "the request names no topic")
    return subscribe, replies


async def until_gone(receive: Receive) -> None:
    """Drain what the client sends and return when it is gone: a server that is not listened to never says so."""
    while (await receive())["type"] != "http.disconnect":
        pass
