"""A Liquidity vendor of a test's own that tells each user's orders to whoever comes with that user's token, and to nobody else.

It imports nothing of ours. Its event stream and its orders are as `VENDORS` has them; what it is asked is kept, by token.
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.support.vendor import EVENT_STREAM, Call, Vendor, answer, chunk, open_vendor

KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
SECRET = "what-only-the-vendor-knows-32-bytes-long"
ISSUER = "https://id.vendor.example"
OWN = "the-feeds-own-token"
"""What the bridge's operator has; it sees market data, and no user's orders."""


class Desk:
    """The vendor's back office.

    Attributes:
        vendor: where it listens.
        streams: the event streams that are open: whose, and the call.
        opened: how many streams were ever opened by whom.
        asked: how often which path was asked by whom, of REST; "" = a guest, "?" = one with a bad token.
        subscribed: what `subscribe=` said, stream by stream.
        closed_to: users whose streams are refused although their tokens are good.
        lets_guests_in: REST answers everybody as it answers users.
        is_broken: REST answers nobody.
    """

    def __init__(self) -> None:
        self.vendor: Vendor
        self.streams: list[tuple[str, Call]] = []
        self.tokens: list[str] = []
        self.opened: Counter[str] = Counter()
        self.asked: Counter[tuple[str, str]] = Counter()
        self.subscribed: list[tuple[str, str]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.closed_to: set[str] = set()
        self.lets_guests_in = False
        self.is_broken = False

    def token(self, sub: str, ttl_seconds: float = 600, **claims: Any) -> str:
        """Sign a user's token."""
        said = {"sub": sub, "iss": ISSUER, "exp": time.time() + ttl_seconds, **claims}
        return jwt.encode(said, SECRET, algorithm="HS256")

    def keyed_token(self, sub: str, **claims: Any) -> str:
        """Sign a user's token with the key that `/jwks` publishes."""
        said = {"sub": sub, "iss": ISSUER, "aud": "api", "exp": time.time() + 600, **claims}
        return jwt.encode(said, KEY, algorithm="RS256", headers={"kid": "k"})

    def open_of(self, sub: str) -> list[Call]:
        """The streams that a user has open."""
        return [call for who, call in self.streams if who == sub]

    async def tell(self, sub: str, order_id: str, status: str = "PENDING") -> None:
        """Change an order of a user's, and say so on all of that user's streams."""
        order = self.orders[order_id] = {"sub": sub, **_order(order_id, status)}
        for call in self.open_of(sub):
            await call.send(chunk(_event("order", order)))

    async def trade(self, number: int) -> None:
        """Say a trade on every stream that asked for any."""
        told = {"assetId": "BTC", "tradeId": f"trd_{number}", "price": 100, "size": 1, "side": "buy", "timestamp": _NOW}
        for _, call in self.streams:
            if "trade" in call.target:
                await call.send(chunk(_event("trade", told)))

    async def serve(self, call: Call) -> None:
        """Answer one request."""
        who = self._who(call)
        path = call.target.partition("?")[0]
        if path == "/jwks":
            keys = {"keys": [{**json.loads(RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "k"}]}
            await call.send(answer("200 OK", json.dumps(keys).encode(), "Content-Type: application/json"))
            return
        if path == "/api/realtime":
            await self._stream(call, who)
            return
        self.asked[path, who] += 1
        if self.is_broken:
            await call.send(answer("502 Bad Gateway"))
            return
        if who in ("", "?") and not self.lets_guests_in:
            await call.send(
                answer("401 Unauthorized", b'{"message":"Missing or invalid authentication.","status":401}')
            )
            return
        order = self.orders.get(path.rpartition("/")[2])
        if order is None or order["sub"] != who:
            await call.send(answer("404 Not Found", b'{"message":"no such order","status":404}'))
        else:
            await call.send(answer("200 OK", json.dumps(order).encode(), "Content-Type: application/json"))

    async def _stream(self, call: Call, who: str) -> None:
        if who in ("", "?") or who in self.closed_to:
            await call.send(
                answer("401 Unauthorized", b'{"message":"Missing or invalid authentication.","status":401}')
            )
            return
        self.opened[who] += 1
        self.tokens.append(call.headers["authorization"].removeprefix("Bearer "))
        self.subscribed.append((who, call.target.partition("?")[2]))
        self.streams.append((who, call))
        try:
            await call.send(EVENT_STREAM + chunk(_event("CONNECT", {"clientId": "c"})))
            await call.until_client_leaves()
        finally:
            self.streams.remove((who, call))

    def _who(self, call: Call) -> str:
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        if token in ("", OWN):
            return token
        try:
            if jwt.get_unverified_header(token)["alg"] == "RS256":
                return str(jwt.decode(token, KEY.public_key(), algorithms=["RS256"], audience="api")["sub"])
            return str(jwt.decode(token, SECRET, algorithms=["HS256"], issuer=ISSUER)["sub"])
        except jwt.InvalidTokenError:
            return "?"


_NOW = "2026-03-19T00:34:44Z"


def _order(order_id: str, status: str) -> dict[str, Any]:
    return {
        "orderId": order_id,
        "assetId": "BTC",
        "side": "BUY",
        "orderType": "limit",
        "quantity": 2,
        "filledQuantity": 0,
        "status": status,
        "timestamp": _NOW,
    }


def _event(name: str, data: dict[str, Any]) -> bytes:
    shown = {key: value for key, value in data.items() if key != "sub"}
    return f"event: {name}\ndata: {json.dumps(shown)}\n\n".encode()


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    """Run the vendor until the block ends."""
    desk = Desk()
    async with open_vendor(desk.serve) as vendor:
        desk.vendor = vendor
        yield desk


def order_ids(events: Sequence[dict[str, Any]]) -> list[str]:
    """Which orders some events are of."""
    return [event.get("order_id") or event["orderId"] for event in events]
