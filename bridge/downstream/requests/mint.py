"""A dialect's own token endpoint: an API key in, a token of ours out.

Every configured key is compared in constant time, and all of them are, so that neither which key nor how much of it was
right can be measured. The token carries the key's `sub`, whatever the request says, and lives no longer than the key allows.
"""

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from bridge.dialects.contract import EndpointKind, HttpAnswer, Refusal
from bridge.downstream.access.grounds import of_key
from bridge.downstream.access.origin import host_of
from bridge.downstream.access.tokens import TokenGrant, mint_token
from bridge.downstream.contract import Exchange, House
from bridge.downstream.requests.routes import way_to
from bridge.downstream.settings import ApiKey, AuthSettings
from bridge.model import Code


async def mint(house: House, exchange: Exchange) -> HttpAnswer:
    """Answer one request for a token.

    Raises:
        Refusal: `unauthorized`: no such key; `unsupported_topic`: no secret; what the dialect says of a malformed request.
    """
    served = exchange.served
    question = served.dialect.mint_question(exchange.request)
    auth = house.auth if house.auth.mode != "none" else _open_auth(question.api_key)
    key = find_key(auth, question.api_key)
    if key is None:
        raise Refusal(Code.UNAUTHORIZED, "the API key is not valid here")
    ttl = key.ttl_seconds if question.ttl_seconds is None else min(question.ttl_seconds, key.ttl_seconds)
    grant = TokenGrant(sub=key.sub, ttl_seconds=ttl, topics=key.topics, accounts=key.accounts, key=of_key(key, auth))
    token, expires = mint_token(auth, grant, house.clock())
    answer = served.dialect.mint_answer(
        exchange.request,
        token,
        expires,
        stream_url(house, exchange, EndpointKind.SSE),
        stream_url(house, exchange, EndpointKind.WEBSOCKET),
    )
    return HttpAnswer(body=answer.body, headers=(*answer.headers, ("cache-control", "no-store")), status=answer.status)


def _open_auth(shown: str) -> AuthSettings:
    """Return rules by which any key gets a token that opens nothing: where nobody needs one, a client may still insist on it."""
    return AuthSettings(secret=secrets.token_hex(32), api_keys=(ApiKey(sub="anybody", key=shown),))


def find_key(auth: AuthSettings, shown: str) -> ApiKey | None:
    """Return the configured key that was shown, or None."""
    digest = hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
    found: ApiKey | None = None
    for key in auth.api_keys:
        known = key.sha256.lower() if key.sha256 else hashlib.sha256((key.key or "").encode()).hexdigest()
        usable = bool(key.sha256 or key.key)
        if hmac.compare_digest(known.encode(), digest.encode()) and usable:
            found = key
    return found


def stream_url(house: House, exchange: Exchange, kind: EndpointKind) -> str:
    """Return the URL of the dialect's stream endpoint of a kind, as its client should use it; "" when it has none.

    It is told from `listen.public_url`, or from what the client itself called us. It has the prefix that the client came by, or
    else the one under which that name leads to this dialect: two dialects may share a path.
    """
    served = exchange.served
    endpoint = next((endpoint for endpoint in served.dialect.endpoints if endpoint.kind is kind), None)
    if endpoint is None:
        return ""
    base = house.listen.public_url
    if base is None:
        base = f"{exchange.peer.scheme}://{exchange.peer.authority or 'localhost'}"
    host, default = host_of(urlsplit(base).netloc), house.listen.default_websocket_dialect
    prefix = exchange.prefix or way_to(house.served, served, endpoint, host, default)
    if kind is EndpointKind.WEBSOCKET:
        base = "ws" + base.removeprefix("http")
    return f"{base.rstrip('/')}{prefix}{endpoint.path}"
