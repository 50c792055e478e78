"""`Dialect`: the one object a dialect folder gives away, found by its name."""

from collections.abc import Sequence
from typing import Protocol

from bridge.dialects.contract.client import Asked, Decoder, HttpRequest, Requests, Signal
from bridge.dialects.contract.encoder import Encoder, EncoderOptions
from bridge.dialects.contract.manner import Manner
from bridge.dialects.contract.profile import Lane, Profile, Spelling, SymbolTable, Transport
from bridge.dialects.contract.question import Question
from bridge.dialects.contract.server import (
    Conversation,
    Endpoint,
    HttpAnswer,
    Mint,
    Request,
    StateAnswer,
    StateQuestion,
)
from bridge.dialects.contract.site import Credential, Site
from bridge.model import Code, FeedName, Retry, Topic, UnixNanos, UpstreamEvent


class Dialect(Protocol):
    """How one party spells market data. Every member is pure.

    Attributes:
        name: its folder's name and its name in the configuration.
        profile: its constants.
        spelling: its rules for unlisted instruments.
        endpoints: its own endpoints, for its existing clients.
        manners: the members of `Manner` that it heeds.
    """

    name: str
    profile: Profile
    spelling: Spelling
    endpoints: Sequence[Endpoint]
    manners: frozenset[str]

    # ── we are its client ──
    def lane(self, topic: Topic, transport: Transport) -> Lane | None:
        """Which kind of connection carries a topic on a transport; None when that transport has no such data."""
        ...

    def subscriptions(self, topics: Sequence[Topic], transport: Transport) -> int:
        """How many of the vendor's subscriptions these topics use when they share a connection of a transport."""
        ...

    def requests(self, asked: Asked, site: Site) -> Requests:
        """What one session sends."""
        ...

    def decoder(self, asked: Asked) -> Decoder:
        """What one session makes of what comes."""
        ...

    def question(
        self, question: Question, symbols: SymbolTable, site: Site, credential: Credential | None
    ) -> HttpRequest | None:
        """The REST request that asks it; None when the vendor cannot be asked that."""
        ...

    def answer(
        self, question: Question, body: bytes, feed: FeedName, symbols: SymbolTable, ts_recv: UnixNanos
    ) -> Sequence[UpstreamEvent | Signal]:
        """What a 200 answer to a question says; polling uses it too.

        Raises:
            VendorProtocolError: the body is malformed.
        """
        ...

    def mint(self, site: Site) -> HttpRequest | None:
        """The request that mints a token from `site.api_key`; None when this vendor has no such thing."""
        ...

    def minted(self, body: bytes) -> Credential:
        """What a 200 answer to `mint` says.

        Raises:
            VendorProtocolError: the body is malformed.
        """
        ...

    def check(self, site: Site, credential: Credential | None, url: str | None) -> HttpRequest:
        """The request whose status shows whether the vendor takes a token: 2xx or 404 to its users, 401 or 403 to all others.

        Args:
            site: where the vendor lives.
            credential: the token in question; None = as a guest.
            url: what to ask instead of what the vendor's documents offer; None = that.
        """
        ...

    # ── we answer as it ──
    def mannered(self, manner: Manner) -> "Dialect":
        """Return this dialect as it answers in an operator's manner; as a client it is the same."""
        ...

    def encoder(self, transport: Transport, symbols: SymbolTable, options: EncoderOptions) -> Encoder:
        """Our events → its messages, for all clients of a transport with these options."""
        ...

    def conversation(self, transport: Transport, symbols: SymbolTable) -> Conversation:
        """The server's side of one connection."""
        ...

    def state_question(self, request: Request, symbols: SymbolTable) -> StateQuestion:
        """What a `STATE` request wants.

        Raises:
            Refusal: it is wrong, or names what this dialect cannot spell.
        """
        ...

    def state_answer(self, request: Request, answer: StateAnswer, symbols: SymbolTable) -> HttpAnswer:
        """Spell the state found; `answer.events` is not empty.

        Raises:
            Unspeakable: the dialect has no word for it.
        """
        ...

    def mint_question(self, request: Request) -> Mint:
        """What a `MINT` request wants.

        Raises:
            Refusal: it is wrong or shows no key.
        """
        ...

    def mint_answer(
        self, request: Request, token: str, expires: UnixNanos, sse_url: str, websocket_url: str
    ) -> HttpAnswer:
        """Spell a minted token."""
        ...

    def refusal(
        self, code: Code, message: str, retry: Retry, retry_after_seconds: float | None, status: int
    ) -> HttpAnswer:
        """Spell an HTTP error.

        Args:
            code: why.
            message: in words.
            retry: whether to come again.
            retry_after_seconds: when; None = not said.
            status: that HTTP itself has for it (404, 405, 413 …), for a party whose body repeats it; 0 = the code's.

        Returns:
            Its `status` is the goodbye table's unless this party's own differs (0 = the table's).
        """
        ...
