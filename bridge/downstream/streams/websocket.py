"""WebSockets: topics come and go while the connection lives, and the token can be renewed.

Refusals before the handshake is accepted are HTTP statuses; after it they are problems, and the connection lives on, except
where the goodbye table hangs up. Messages are executed one after another, in the order they came; none waits for a vendor.
"""

from collections.abc import Sequence

import msgspec
import trio

from bridge.dialects.contract import (
    Action,
    Conversation,
    Message,
    Refusal,
    Renew,
    Reply,
    Subscribe,
    Transport,
    Unsubscribe,
)
from bridge.downstream.access.entitlement import grant_orders
from bridge.downstream.access.limits import InboundRate, Verdict
from bridge.downstream.contract import Exchange, Granted, House
from bridge.downstream.outlets import choice
from bridge.downstream.outlets.outlet import AsgiMessage, Receive, Scope, Send
from bridge.downstream.questions.news import FIRST_VALUE_SECONDS
from bridge.downstream.questions.past import Found, asked_bars, kept_bars, newest_of
from bridge.downstream.questions.remembered import without_refused
from bridge.downstream.streams.connection import StreamConnection
from bridge.downstream.streams.terms import Terms
from bridge.model import Code

MAX_MESSAGE_BYTES = 65_536
"""A message of a client: 50 topics of at most 80 characters have 4 kB, a token less than 16."""

BEARER = "bearer"


async def serve_websocket(house: House, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket until it has ended or its client is gone.

    Args:
        house: the bridge.
        exchange: the upgrade request.
        scope: its ASGI scope: the subprotocols offered, and in its state the connection to hang up.
        receive: its ASGI `receive`, drained here; whether `websocket.connect` was taken from it already does not matter.
        send: its ASGI `send`.

    Raises:
        Refusal: the handshake has not been accepted.
    """
    if house.closing.is_set():
        raise Refusal(Code.GOING_AWAY, "the bridge is stopping; come back soon")
    served = exchange.served
    identity = await house.admission.identify(exchange.peer)
    conversation = served.dialect.conversation(Transport.WEBSOCKET, served.symbols)
    actions = conversation.open(exchange.request)
    limits = house.admission.limits(identity, served)
    with house.admission.seat(identity, Transport.WEBSOCKET, served):
        stream = StreamConnection(
            Terms(
                house=house,
                exchange=exchange,
                identity=identity,
                transport=Transport.WEBSOCKET,
                conversation=conversation,
                limits=limits,
                peer=scope.get("state", {}).get("bridge.connection"),
            )
        )
        stream.writer.say(conversation.greeting(house.clock()))
        talk = Talk(
            house,
            stream,
            conversation,
            InboundRate(limits.inbound_messages_per_second, limits.inbound_messages_burst, trio.current_time()),
        )
        await talk.execute(actions)
        accept = choice.websocket(scope, send, echoed_subprotocol(scope.get("subprotocols", ())))
        await stream.run(accept, lambda: talk.until_gone(receive))


def echoed_subprotocol(offered: Sequence[str]) -> str | None:
    """Return `bearer` when the pair `bearer, <token>` was offered; a token is never echoed."""
    return BEARER if BEARER in offered[:-1] else None


class Talk:
    """What a client says, and what comes of it.

    Args:
        house: the bridge.
        stream: the connection.
        conversation: its protocol.
        rate: how fast it may talk.
    """

    def __init__(self, house: House, stream: StreamConnection, conversation: Conversation, rate: InboundRate) -> None:
        self._house = house
        self._stream = stream
        self._conversation = conversation
        self._rate = rate

    async def until_gone(self, receive: Receive) -> None:
        """Take what the client sends; return when it is gone."""
        while True:
            message = await receive()
            match message["type"]:
                case "websocket.disconnect":
                    return
                case "websocket.receive" if self._stream.writer.ending is None:
                    await self._message(message)
                case _:  # the handshake, and what comes while we say goodbye
                    pass

    async def execute(self, actions: Sequence[Action]) -> None:
        """Do what a message asks, in its order; what is refused becomes a problem, and the rest is done."""
        for action in actions:
            try:
                await self._execute(action)
            except Refusal as refusal:
                if refusal.ref is None and not isinstance(action, Reply):
                    refusal.ref = action.ref
                self._stream.complain(refusal)

    async def _message(self, message: AsgiMessage) -> None:
        match self._rate.judge(trio.current_time()):
            case Verdict.EXECUTE:
                await self._understand(message)
            case Verdict.COMPLAIN:
                self._stream.complain(Refusal(Code.RATE_LIMITED, "too many messages; this one was not executed"))
            case Verdict.IGNORE:
                pass
            case Verdict.HANG_UP:
                self._stream.complain(Refusal(Code.RATE_LIMITED, "too many messages for too long"))
                self._stream.writer.end(Code.RATE_LIMITED)

    async def _understand(self, message: AsgiMessage) -> None:
        text: str | bytes = message["text"] if message.get("text") is not None else message.get("bytes") or b""
        if len(text) > MAX_MESSAGE_BYTES:
            self._stream.complain(Refusal(Code.BAD_REQUEST, f"a message of more than {MAX_MESSAGE_BYTES} bytes"))
            self._stream.writer.end(Code.BAD_REQUEST)
            return
        try:
            actions = self._conversation.receive(text, self._house.clock())
        except Refusal as refusal:
            self._stream.complain(refusal)
        else:
            await self.execute(actions)

    async def _execute(self, action: Action) -> None:
        match action:
            case Subscribe():
                self._subscribe(action)
            case Unsubscribe():
                dropped = self._stream.unsubscribe(action.topics)
                self._say(self._conversation.unsubscribed(action, dropped, self._stream.writer.at, self._house.clock()))
                self._stream.reword()
            case Renew():
                await self._renew(action)
            case Reply():
                self._say(action.messages)

    def _subscribe(self, action: Subscribe) -> None:
        granted = self._house.admission.grant(self._stream.identity, action.topics, self._house.resolve)
        standing, refusals = without_refused(self._house.hub, granted)
        if len(standing) < len(granted):
            raise refusals[0]
        unasked = grant_orders(self._stream.identity, self._house.resolve) if action.orders else ()
        wishes = self._stream.wishes.changed(conflate=action.conflate, max_rate=action.max_rate)
        first = self._stream.writer.subscription is None
        if first:
            self._stream.wishes = wishes
        ask = bool(action.history) and len(self._kept(action, standing)) < action.history
        topics = self._stream.subscribe(standing, action.after, unasked, anew=action.anew, later=ask)
        self._stream.wish(wishes)
        done = msgspec.structs.replace(
            action,
            conflate=wishes.conflate or action.conflate,
            max_rate=wishes.max_rate or action.max_rate,
            via=self._house.via(want.feed for one in standing for want in one.wants),
        )
        self._say(self._conversation.subscribed(done, topics, self._stream.writer.at, self._house.clock()))
        self._stream.reword()
        for refusal in refusals:  # of parts of an `all:`
            self._stream.complain(refusal)
        if ask:
            self._stream.start(self._ask_past, action, standing)
        elif action.history:
            self._tell_past(action, standing, ())

    async def _ask_past(self, action: Subscribe, standing: Sequence[Granted]) -> None:
        """Ask the vendor for more bars than the hub keeps; only then does the topic begin, for nothing is to come before them."""
        told = await asked_bars(self._house, standing[0].wants[0], action.history, FIRST_VALUE_SECONDS)
        self._stream.join(action.topics)
        self._tell_past(action, standing, told)

    def _tell_past(self, action: Subscribe, standing: Sequence[Granted], told: Sequence[Found]) -> None:
        """Tell what there is; what is derived has its past only now that it is wanted."""
        past = newest_of([*told, *self._kept(action, standing)], action.history)
        self._say(self._conversation.history(action, [bar for bar, _ in past], self._house.clock()))

    def _kept(self, action: Subscribe, standing: Sequence[Granted]) -> Sequence[Found]:
        return kept_bars(self._house.hub, standing[0].wants[0], action.history)

    async def _renew(self, action: Renew) -> None:
        identity = await self._house.admission.verify(action.token)
        if identity.user != self._stream.identity.user:
            raise Refusal(Code.FORBIDDEN, "the new token is another user's; open a connection of its own")
        self._stream.renew(identity)
        limits = self._stream.limits_of(identity)
        self._rate.allow(limits.inbound_messages_per_second, limits.inbound_messages_burst)
        self._say(self._conversation.renewed(action, identity.expires, self._stream.writer.at, self._house.clock()))

    def _say(self, messages: Sequence[Message]) -> None:
        self._stream.writer.say(messages)
