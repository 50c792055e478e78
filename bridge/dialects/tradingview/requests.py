"""What we send TradingView, and reading what its clients send.

Over SSE everything asked for stands in the opening URL. Over WebSocket quotes are subscribed in groups of up to ten symbols,
because a group counts as one of the ten subscriptions that a connection may have; bars are subscribed one by one, under an id
that says interval and symbol (`bar.5m:NASDAQ:AAPL`), because a candle does not say its interval. Where the vendor tells us to
connect is followed only to public hosts, and never from TLS to plain text.
"""

import ipaddress
import math
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from bridge.dialects.contract import (
    Asked,
    Credential,
    HttpRequest,
    Question,
    QuestionKind,
    Refusal,
    Requests,
    Site,
    SymbolTable,
    Transport,
)
from bridge.dialects.tradingview.messages import ClientMessage
from bridge.dialects.tradingview.symbols import TIMEFRAMES, bar_id, read_timeframe
from bridge.model import Code, Interval, Topic, TopicKind

STREAM_HOST = "https://ws.tradingviewapi.com"
DOMAIN = ".tradingviewapi.com"  # of all the vendor's own hosts (VENDORS §1.2)
MAX_ID = 200  # characters of a client's id, which every answer repeats

API_HOST = "https://api.tradingviewapi.com"
TOKEN_URL = f"{API_HOST}/api/token/generate"
"""[doc], like the two hosts."""

RAPIDAPI_HOST = "tradingview-data1.p.rapidapi.com"
"""[doc]: goes with the key, wherever the request is sent."""

SYMBOLS_PER_CONNECTION = 10
"""Of an SSE stream; not stated, but every other limit on several symbols is 10 [inferred, VENDORS §1.3]."""

SYMBOLS_PER_GROUP = 10
SUBSCRIPTIONS_PER_CONNECTION = 10
"""Both of a WebSocket; a group of quotes is one subscription [found: S1, S2]."""

BARS_PER_QUESTION = 500
"""The most that `range` may ask for [found: S1]."""


# ── we are its client ──


def mint_request(site: Site) -> HttpRequest | None:
    """The printed token request; None without an API key."""
    if site.api_key is None:
        return None
    body = "{}" if site.token_body is None else site.token_body
    return HttpRequest(url=site.token_url or TOKEN_URL, method="POST", headers=_key_headers(site), body=body.encode())


def question_request(question: Question, symbols: SymbolTable, site: Site) -> HttpRequest | None:
    """The REST request for a quote or for bars; None without an API key, a spelling, or for anything else."""
    symbol = question.instrument and symbols.vendor_symbol(question.instrument, Transport.POLLING)
    if not symbol or site.api_key is None:
        return None
    # Streams and REST live on two hosts of this vendor; any other site is one house (a simulator, a relay).
    base = site.rest_url or (API_HOST if site.url == STREAM_HOST else site.url)
    if question.kind is QuestionKind.QUOTE:
        return HttpRequest(url=f"{base}/api/quote/{quote(symbol, safe=':')}", headers=_key_headers(site))
    if question.kind is not QuestionKind.BARS or question.interval is None:
        return None
    ask = f"timeframe={TIMEFRAMES[question.interval]}&range={min(question.limit, BARS_PER_QUESTION)}"
    return HttpRequest(url=f"{base}/api/price/ohlcv/{quote(symbol, safe=':')}?{ask}", headers=_key_headers(site))


def _key_headers(site: Site) -> tuple[tuple[str, str], ...]:
    key = site.api_key or ""
    if site.token_auth == "bearer":  # noqa: S105 - a place, not a secret
        return (("Authorization", f"Bearer {key}"), ("Content-Type", "application/json"))
    return (("X-RapidAPI-Key", key), ("X-RapidAPI-Host", RAPIDAPI_HOST), ("Content-Type", "application/json"))


def check_request(site: Site, credential: Credential | None, url: str | None) -> HttpRequest:
    """Open a stream of the page's own example [doc]; its status alone counts, so whoever asks closes it at once."""
    base = url or f"{site.url}{site.realtime_path or '/sse/stream'}"
    return HttpRequest(url=_and_query(_with_token(base, credential), "symbols=NASDAQ:AAPL&type=quote"))


def session_requests(asked: Asked, site: Site) -> Requests:
    """What one session sends on its lane."""
    return WebSocketRequests(asked, site) if asked.lane.transport is Transport.WEBSOCKET else SseRequests(asked, site)


class SseRequests:
    """One SSE stream: fixed by its URL."""

    def __init__(self, asked: Asked, site: Site) -> None:
        self._asked = asked
        self._site = site

    def open(self, credential: Credential | None, last_event_id: str | None) -> HttpRequest:
        """`GET …/sse/stream?token=&symbols=&type=&timeframe=` [doc]."""
        lane = self._asked.lane
        symbols = dict.fromkeys(quote(self._asked.symbol(topic), safe=":") for topic in self._asked.topics)
        wanted = f"symbols={','.join(symbols)}&type={lane.type}"
        if lane.timeframe:
            wanted += f"&timeframe={lane.timeframe}"
        headers = [("Accept", "text/event-stream"), ("Cache-Control", "no-cache")]
        if last_event_id:
            headers.append(("Last-Event-ID", last_event_id))
        url = _and_query(_with_token(self._base(credential), credential), wanted)
        return HttpRequest(url=url, headers=tuple(headers))

    def _base(self, credential: Credential | None) -> str:
        if self._site.realtime_path:
            return self._site.url + self._site.realtime_path
        told = credential and _followed(credential.sse_url, self._site)
        return told or f"{self._site.url}/sse/stream"

    def subscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """Nothing: the opening request said it all."""
        return []

    def unsubscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """Nothing: a stream cannot be changed."""
        return []

    def ping(self) -> None:
        """An SSE client has no voice."""


class WebSocketRequests:
    """One WebSocket: bars one by one, quotes in groups that are replaced as a whole when one of them goes."""

    def __init__(self, asked: Asked, site: Site) -> None:
        self._asked = asked
        self._site = site
        self._groups: dict[str, tuple[Topic, ...]] = {}
        self._made = 0

    def open(self, credential: Credential | None, last_event_id: str | None) -> HttpRequest:
        """`GET …/ws?token=` [found: S2, S5]; the token in a header, or nowhere, if the site says so."""
        told = credential and _followed(credential.websocket_url, self._site)
        scheme, _, rest = self._site.url.partition("://")
        derived = f"{'ws' if scheme == 'http' else 'wss'}://{rest}/ws"
        url = self._site.websocket_url or told or derived
        place = self._site.credential_place or "query"
        if place == "header" and credential is not None:
            return HttpRequest(url=url, headers=(("Authorization", f"Bearer {credential.token}"),))
        return HttpRequest(url=_with_token(url, credential) if place == "query" else url)

    def subscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """One text a bar, one a group of quotes; when subscriptions run short, groups with room are made anew with more."""
        quotes = [topic for topic in topics if topic.kind is TopicKind.QUOTE]
        self._forget(quotes)
        texts = [self._subscribe_bar(topic) for topic in topics if topic.kind is TopicKind.BAR]
        others = sum(topic.kind is not TopicKind.QUOTE for topic in self._asked.topics)
        room = SUBSCRIPTIONS_PER_CONNECTION - others - len(self._groups)
        if math.ceil(len(quotes) / SYMBOLS_PER_GROUP) > room:
            roomy = [name for name, group in self._groups.items() if len(group) < SYMBOLS_PER_GROUP]
            return self._regroup(roomy, quotes) + texts
        return texts + self._subscribe_quotes(quotes)

    def unsubscribe(self, topics: Sequence[Topic]) -> list[bytes]:
        """One text a bar; of a group that loses a quote the rest is subscribed again, as a group has no smaller handle."""
        texts = [
            _text(ClientMessage(action="unsubscribe", id=self._bar_id(topic)))
            for topic in topics
            if topic.kind is TopicKind.BAR
        ]
        gone = frozenset(topics)
        touched = [name for name, group in self._groups.items() if not gone.isdisjoint(group)]
        return texts + self._regroup(touched, ())

    def ping(self) -> bytes:
        """The application's ping [found: S1, S2]."""
        return _text(ClientMessage(action="ping"))

    def _forget(self, quotes: Sequence[Topic]) -> None:
        """Take out what is asked for again: the vendor must have dropped it, and groups so emptied are no more."""
        again = frozenset(quotes)
        rests = {name: tuple(t for t in group if t not in again) for name, group in self._groups.items()}
        self._groups = {name: rest for name, rest in rests.items() if rest}

    def _regroup(self, names: Sequence[str], more: Sequence[Topic]) -> list[bytes]:
        """Drop these groups, then subscribe anew what is still asked for of them, and `more`; never above the limit between."""
        rest = [topic for name in names for topic in self._groups.pop(name) if topic in self._asked]
        dropped = [_text(ClientMessage(action="unsubscribe_quote", id=name)) for name in names]
        return dropped + self._subscribe_quotes([*rest, *more])

    def _subscribe_quotes(self, quotes: Sequence[Topic]) -> list[bytes]:
        texts = []
        for start in range(0, len(quotes), SYMBOLS_PER_GROUP):
            group = tuple(quotes[start : start + SYMBOLS_PER_GROUP])
            self._made += 1
            name = f"quotes_{self._made}"
            self._groups[name] = group
            symbols = tuple(self._asked.symbol(topic) for topic in group)
            texts.append(_text(ClientMessage(action="subscribe_quote", id=name, symbols=symbols, fields="all")))
        return texts

    def _bar_id(self, topic: Topic) -> str:
        return bar_id(topic.interval or Interval.M5, self._asked.symbol(topic))

    def _subscribe_bar(self, topic: Topic) -> bytes:
        interval = topic.interval or Interval.M5
        symbol = self._asked.symbol(topic)
        message = ClientMessage(
            action="subscribe", id=bar_id(interval, symbol), symbol=symbol, timeframe=TIMEFRAMES[interval]
        )
        return _text(message)


def _text(message: ClientMessage) -> bytes:
    return msgspec.json.encode(message)


def _and_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _with_token(url: str, credential: Credential | None) -> str:
    """Add `token=` unless the vendor's own URL brings it already (S5 saw that, S2 did not)."""
    if credential is None or "token" in parse_qs(urlsplit(url).query):
        return url
    return _and_query(url, f"token={quote(credential.token, safe='')}")


def _followed(told: str | None, site: Site) -> str | None:
    """Return the URL that a minting answer told, if it may be followed from this site; else None.

    Our token goes there. So it must be a host that the operator named, or one of the vendor's own domain when the site is there
    too (its streams and REST live on two hosts, VENDORS §1.2); and from a site with TLS only TLS is followed. The published
    examples tell `ws://localhost:8080`, which counts only for a simulator on this machine.
    """
    try:
        there, here = urlsplit(told or ""), urlsplit(site.url)
        known = bool(there.hostname) and _is_the_vendors(there.hostname or "", here.hostname or "", site)
    except ValueError:
        return None
    if not known or (here.scheme == "https" and there.scheme not in ("https", "wss")):
        return None
    return told if there.scheme in ("http", "https", "ws", "wss") and "@" not in there.netloc else None


def _is_the_vendors(there: str, here: str, site: Site) -> bool:
    named = (urlsplit(url or "").hostname for url in (site.url, site.websocket_url, site.rest_url, site.token_url))
    if there in named or (_is_loopback(there) and _is_loopback(here)):
        return True
    return all(f".{host}".endswith(DOMAIN) for host in (there, here))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# ── we are its server ──


def read_client(text: str | bytes) -> ClientMessage:
    """Read what a client says on a WebSocket.

    Raises:
        Refusal: `bad_request`: not a JSON object with an `action`, or a field of the wrong kind.
    """
    try:
        message = msgspec.json.decode(text, type=ClientMessage)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal(Code.BAD_REQUEST, f"not a message of this protocol: {error}") from error
    if len(message.id or "") > MAX_ID:
        raise Refusal(Code.BAD_REQUEST, f"an id has at most {MAX_ID} characters")
    return message


def read_stream_query(query: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], Interval | None]:
    """Read the parameters of `/sse/stream` as the page has them: the symbols, and the interval of candles (None = quotes).

    Raises:
        Refusal: `bad_request` for what the page does not allow, `too_many_subscriptions` above 10 symbols.
    """
    given = (part.strip() for value in query.get("symbols", ()) for part in value.split(","))
    symbols = tuple(dict.fromkeys(part for part in given if part))
    if not symbols:
        raise Refusal(Code.BAD_REQUEST, "symbols is required: comma-separated, such as NASDAQ:AAPL,NYSE:TSLA")
    if len(symbols) > SYMBOLS_PER_CONNECTION:
        message = f"at most {SYMBOLS_PER_CONNECTION} symbols per connection, not {len(symbols)}"
        raise Refusal(Code.TOO_MANY_SUBSCRIPTIONS, message)
    kind = (*query.get("type", ()), "quote")[0] or "quote"
    if kind not in ("quote", "price"):
        raise Refusal(Code.BAD_REQUEST, f"type is quote or price, not {kind[:20]!r}")
    timeframe = (*query.get("timeframe", ()), None)[0]
    return symbols, read_timeframe(timeframe) if kind == "price" else None
