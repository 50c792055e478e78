"""Puts questions to a vendor over REST: one at a time of a kind, paced, each within its deadline; never raises.

Who asks what somebody is asking already waits for that answer. What comes back is published like any event, but for bars:
they are history, and only who asked wants them.
"""

from collections.abc import Callable, Sequence

import msgspec
import structlog
import trio

from bridge.clock import Clock
from bridge.dialects.contract import (
    Answer,
    Dialect,
    Frame,
    HttpRequest,
    Outcome,
    Question,
    QuestionKind,
    Refused,
    Signal,
    Site,
    SymbolTable,
)
from bridge.errors import BridgeError, Mistakes, VendorProtocolError, VendorRefused
from bridge.model import (
    AccountId,
    Bar,
    BookDelta,
    BookReplacement,
    BookSnapshot,
    FeedName,
    OrderUpdate,
    QuotePatch,
    Trade,
    UpstreamEvent,
)
from bridge.upstream.contract import Connector, Publish
from bridge.upstream.credentials.tokens import TokenKeeper
from bridge.upstream.network.refusals import Head, refusal

INTERVAL_SECONDS = 0.2
"""Between two requests to one vendor: five a second is the lowest rate that a vendor names (TradingView, VENDORS §1.7)."""

_MARKET = (QuotePatch, Trade, BookSnapshot, BookDelta, BookReplacement, Bar, OrderUpdate)

_log = structlog.get_logger(__name__)


class AskTools(msgspec.Struct, frozen=True, kw_only=True):
    """What questions need.

    Attributes:
        dialect: spells them.
        symbols: the dialect's.
        site: where the vendor lives, and the keys that let us in, as they are now.
        connector: fetches.
        keeper: the feed's credential.
        publish: where answers go.
        clock: for who stamps.
        account: whose orders are asked for; None = nobody's.
    """

    dialect: Dialect
    symbols: SymbolTable
    site: Callable[[], Site]
    connector: Connector
    keeper: TokenKeeper
    publish: Publish
    clock: Clock
    account: AccountId | None


class Asker:
    """One feed's questions.

    Args:
        name: the feed's.
        tools: what they need.
    """

    def __init__(self, name: FeedName, tools: AskTools) -> None:
        self._name = name
        self._tools = tools
        self._flights: dict[Question, _Flight] = {}
        self._mistakes = Mistakes()
        self._turn = trio.Lock()
        self._next_at = 0.0

    async def ask(self, question: Question, deadline_seconds: float) -> Answer:
        """Put a question; `failed` past the deadline. What comes back is published already, but for bars."""
        if question.kind is QuestionKind.ORDER and self._tools.account is None:
            return Answer(outcome=Outcome.UNSUPPORTED)
        if question.account not in (None, self._tools.account):
            return Answer(outcome=Outcome.UNKNOWN)
        with trio.move_on_after(deadline_seconds):
            return await self._share(question)
        return Answer(outcome=Outcome.FAILED)

    async def fetch(self, question: Question) -> Sequence[UpstreamEvent | Signal] | None:
        """Ask once, for whoever publishes by himself; None when the vendor cannot be asked that.

        Raises:
            VendorRefused: any other answer than 200.
            TransportLost: no answer.
            VendorProtocolError: an answer that cannot be read.
            ConfigError: there is no credential.
        """
        tools = self._tools
        if question.kind is QuestionKind.ORDER:
            question = msgspec.structs.replace(question, account=tools.account)
        credential = await tools.keeper.current()
        request = tools.dialect.question(question, tools.symbols, tools.site(), credential)
        if request is None:
            return None
        frame = await self._fetch(request)
        if frame.status in (401, 403):
            tools.keeper.spoiled(credential)
        if frame.status != 200:
            reason = refusal(request, Head(frame.status, "", {}), frame.data, frame.ts_recv).reason
            raise VendorRefused(frame.status, reason, frame.retry_after_seconds)
        return tools.dialect.answer(question, frame.data, self._name, tools.symbols, frame.ts_recv)

    async def _share(self, question: Question) -> Answer:
        """Wait for the answer of who asks the same already, or ask; who takes over from a cancelled one asks anew."""
        while (flight := self._flights.get(question)) is not None:
            await flight.landed.wait()
            if flight.answer is not None:
                return flight.answer
        flight = self._flights[question] = _Flight()
        try:
            flight.answer = await self._put(question)
            return flight.answer
        finally:
            del self._flights[question]
            flight.landed.set()

    async def _put(self, question: Question) -> Answer:
        try:
            said = await self.fetch(question)
        except VendorRefused as error:
            return Answer(outcome=Outcome.UNKNOWN if error.status == 404 else Outcome.FAILED)
        except BridgeError as error:
            if isinstance(error, VendorProtocolError):
                _log.warning("an answer could not be read", feed=self._name, reason=error.reason)
            return Answer(outcome=Outcome.FAILED)
        except Exception as error:  # noqa: BLE001 - contained to where it happened, logged with its traceback
            if self._mistakes.note(error):
                _log.exception("a question broke by a mistake of ours", feed=self._name)
            return Answer(outcome=Outcome.FAILED)
        return self._answer(said)

    def _answer(self, said: Sequence[UpstreamEvent | Signal] | None) -> Answer:
        if said is None:
            return Answer(outcome=Outcome.UNSUPPORTED)
        events = tuple(word for word in said if isinstance(word, _MARKET))
        for event in events:
            if not isinstance(event, Bar):
                self._tools.publish(event)
        if not events and any(isinstance(word, Refused) for word in said):
            return Answer(outcome=Outcome.UNKNOWN)
        return Answer(outcome=Outcome.ANSWERED, events=events)

    async def _fetch(self, request: HttpRequest) -> Frame:
        async with self._turn:
            await trio.sleep_until(self._next_at)
            self._next_at = trio.current_time() + INTERVAL_SECONDS
        return await self._tools.connector.fetch(request)


class _Flight:
    """A question that is out."""

    def __init__(self) -> None:
        self.landed = trio.Event()
        self.answer: Answer | None = None
