"""Whose token of a vendor's it is: by the vendor's keys or its word; and that nothing of ours can be mistaken for it."""

import json

import httpx2
import jwt
import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bridge.dialects.contract import Refusal
from bridge.downstream.access.admission import Gate
from bridge.downstream.access.jwks import JwksCache
from bridge.downstream.access.tokens import MAX_TOKEN_CHARS, TokenGrant, mint_token
from bridge.downstream.access.vouching import Vouchers
from bridge.downstream.contract import Peer, User, Voucher
from bridge.downstream.settings import AuthSettings
from bridge.model import SECONDS, Code, FeedName
from bridge.model.account import private_account
from tests.support.asgi import SECRET, START

NOW = START // SECONDS
OURS = AuthSettings(secret=SECRET, default_topics=("quote:*",))
ISSUER = "https://id.vendor"
PLACE = "https://vendor"
VENDOR_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PROVIDER_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
DESK = FeedName("desk")


def jwks(key: rsa.RSAPrivateKey, key_id: str) -> JwksCache:
    keys = {"keys": [{**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": key_id}]}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=keys))
    return JwksCache("https://keys", lambda: httpx2.AsyncClient(transport=transport))


class Desk:
    """A feed's vendor: what it is asked and what is handed on are kept."""

    def __init__(self, subject: str = "sub", **rules: object) -> None:
        self.asked: list[str] = []
        self.handed: list[tuple[str, str, int]] = []
        self.says: bool | Refusal = True
        self.voucher = Voucher(
            feed=DESK,
            rules=AuthSettings(**rules),
            place=PLACE,
            subject=subject,
            topics=("trade:*",),
            takes=self.takes,
            show=self.show,
            keys=jwks(VENDOR_KEY, "v") if rules else None,
        )

    async def takes(self, token: str, expires: int) -> bool:
        await trio.lowlevel.checkpoint()
        self.asked.append(token)
        if isinstance(self.says, Refusal):
            raise self.says
        return self.says

    def show(self, account: str, token: str, expires: int) -> object:
        self.handed.append((account, token, expires))
        return self


def gate(*desks: Desk, auth: AuthSettings = OURS, keys: JwksCache | None = None) -> Gate:
    return Gate(auth, lambda: START, keys, Vouchers([desk.voucher for desk in desks], lambda: START))


KEYED = {"jwks_url": "https://keys", "issuer": ISSUER, "audience": "api"}


def vendors(sub: object = "alice", key: object = VENDOR_KEY, **claims: object) -> str:
    said = {"sub": sub, "iss": ISSUER, "aud": "api", "exp": NOW + 3600, **claims}
    said = {name: value for name, value in said.items() if value is not None}
    symmetric = isinstance(key, str)
    return jwt.encode(said, key, algorithm="HS256" if symmetric else "RS256", headers={"kid": "v"})


def asked_for(sub: object = "alice", **claims: object) -> str:
    return vendors(sub, "what-only-the-vendor-knows-32-bytes-long", **claims)


async def refused(door: Gate, token: str) -> Code:
    with pytest.raises(Refusal) as caught:
        await door.identify(Peer(address="a", tokens=(token,)))
    assert not token or token not in str(caught.value)
    return caught.value.code


async def test_a_vendors_user_is_who_its_keys_say(autojump_clock):
    desk = Desk(**KEYED)
    identity = await gate(desk).verify(vendors())
    account = private_account(DESK, ISSUER, "alice")
    assert identity.user == User("alice", ISSUER, vouched_by="desk")
    assert identity.accounts == (account,)
    assert identity.topics == ("trade:*",)
    assert identity.expires == (NOW + 3600) * SECONDS
    assert (identity.limits, identity.scopes, identity.anonymous) == ({}, frozenset(), False)
    assert identity.visit is desk
    assert desk.handed == [(account, vendors(), (NOW + 3600) * SECONDS)]
    assert not desk.asked


@pytest.mark.parametrize(
    ("token", "code"),
    [
        pytest.param(vendors(key=OTHER_KEY), Code.UNAUTHORIZED, id="another key"),
        pytest.param(vendors(iss="https://other"), Code.UNAUTHORIZED, id="another issuer"),
        pytest.param(vendors(aud="web"), Code.UNAUTHORIZED, id="another audience"),
        pytest.param(vendors(sub=""), Code.UNAUTHORIZED, id="no subject"),
        pytest.param(vendors(sub="é" * 200), Code.UNAUTHORIZED, id="too long a subject"),
        pytest.param(vendors(exp=None), Code.UNAUTHORIZED, id="no end"),
        pytest.param(vendors(exp=NOW), Code.TOKEN_EXPIRED, id="ended"),
        pytest.param(vendors(nbf=NOW + 60), Code.UNAUTHORIZED, id="not begun"),
        pytest.param(vendors(key="a-secret-of-the-clients-own-invention"), Code.UNAUTHORIZED, id="a secret"),
        pytest.param(vendors()[:-5] + "AAAAA", Code.UNAUTHORIZED, id="damaged"),
    ],
)
async def test_what_does_not_fit_the_vendors_keys_is_refused(autojump_clock, token, code):
    desk = Desk(**KEYED)
    assert await refused(gate(desk), token) is code
    assert not desk.asked + desk.handed


async def test_a_vendor_without_keys_is_asked(autojump_clock):
    desk = Desk()
    identity = await gate(desk).verify(asked_for(aud=None))
    assert identity.accounts == (private_account(DESK, ISSUER, "alice"),)
    assert desk.asked == [asked_for(aud=None)]
    desk.says = False
    assert await refused(gate(desk), asked_for("bob")) is Code.UNAUTHORIZED
    desk.says = Refusal(Code.UPSTREAM_UNAVAILABLE, "later", retry_after_seconds=5)
    assert await refused(gate(desk), asked_for("bob")) is Code.UPSTREAM_UNAVAILABLE
    assert len(desk.handed) == 1


async def test_where_a_token_names_no_issuer_the_place_stands_for_it(autojump_clock):
    identity = await gate(Desk()).verify(asked_for(iss=None))
    assert identity.accounts == (private_account(DESK, PLACE, "alice"),)
    assert identity.user.issuer == PLACE


DEEP = jwt.utils.base64url_encode(b"[" * 6_000).decode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque-access-token",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        asked_for() + "\r\nHost: elsewhere",
        asked_for() + "é",
        asked_for() + "x" * MAX_TOKEN_CHARS,
        asked_for().rpartition(".")[0] + ".",
        jwt.encode({"sub": "alice", "exp": NOW + 60}, None, algorithm="none"),
        asked_for(exp=None),
        asked_for(exp="soon"),
        asked_for(exp=NOW - 1),
        asked_for(sub=None),
        asked_for(sub=""),
        asked_for(sub="a" * 300),
        f"{DEEP}.{DEEP}.AAAA",
        f"{asked_for().partition('.')[0]}.{DEEP}.AAAA",
    ],
)
async def test_a_vendor_is_never_asked_about_what_cannot_be_a_users_token(autojump_clock, token):
    desk = Desk()
    assert await refused(gate(desk), token) in {Code.UNAUTHORIZED, Code.TOKEN_EXPIRED}
    assert not desk.asked


async def test_a_token_that_we_or_our_provider_signed_is_never_shown_to_a_vendor(autojump_clock):
    auth = AuthSettings(secret=SECRET, jwks_url="https://keys", issuer="https://ours", audience="us")
    desk = Desk()
    door = gate(desk, auth=auth, keys=jwks(PROVIDER_KEY, "v"))
    wrong = [{"exp": NOW}, {"exp": NOW + 10**6}, {"aud": "them"}, {"nbf": NOW + 60}, {"feedbridge": {"topics": 5}}]
    for claims in wrong:
        ours = {"iss": "https://ours", "aud": "us", **claims}
        assert await refused(door, vendors("alice", SECRET, **ours)) in {Code.UNAUTHORIZED, Code.TOKEN_EXPIRED}
        assert await refused(door, vendors("alice", PROVIDER_KEY, **ours)) in {Code.UNAUTHORIZED, Code.TOKEN_EXPIRED}
    assert await refused(door, vendors("alice", SECRET)) is Code.UNAUTHORIZED, "our secret, another's name"
    assert not desk.asked
    assert (await door.verify(vendors("alice", PROVIDER_KEY, iss="https://ours", aud="us"))).user.vouched_by == ""
    assert (await door.verify(asked_for())).user.vouched_by == "desk"


async def test_a_vendors_tokens_do_not_make_us_look_for_our_providers_keys(autojump_clock):
    auth = AuthSettings(jwks_url="https://keys", issuer="https://ours", audience="us")
    keys = jwks(PROVIDER_KEY, "p")
    assert (await gate(Desk(**KEYED), auth=auth, keys=keys).verify(vendors())).user.vouched_by == "desk"
    assert keys.fetches == 0


async def test_a_token_goes_to_the_vendor_of_its_issuer_and_to_no_other(autojump_clock):
    one, two, rest = Desk(), Desk(), Desk()
    one.voucher = msgspec.structs.replace(one.voucher, rules=AuthSettings(issuer=ISSUER), feed=FeedName("one"))
    two.voucher = msgspec.structs.replace(two.voucher, rules=AuthSettings(issuer="https://two"), feed=FeedName("two"))
    door = gate(two, one, rest)
    assert (await door.verify(asked_for())).user.vouched_by == "one"
    assert (await door.verify(asked_for(iss="https://two"))).user.vouched_by == "two"
    assert (await door.verify(asked_for(iss="https://three"))).user.vouched_by == "desk"
    assert [len(desk.asked) for desk in (one, two, rest)] == [1, 1, 1]
    assert await refused(gate(one, two), asked_for(iss="https://three")) is Code.UNAUTHORIZED
    assert [len(desk.asked) for desk in (one, two, rest)] == [1, 1, 1]


async def test_an_audience_that_is_configured_is_looked_for_before_the_vendor_is_asked(autojump_clock):
    desk = Desk()
    desk.voucher = msgspec.structs.replace(desk.voucher, rules=AuthSettings(audience="api"))
    assert (await gate(desk).verify(asked_for(aud=["web", "api"]))).user.subject == "alice"
    assert await refused(gate(desk), asked_for(aud="web")) is Code.UNAUTHORIZED
    assert await refused(gate(desk), asked_for(aud=None)) is Code.UNAUTHORIZED
    assert len(desk.asked) == 1


PRIVATE = private_account(DESK, ISSUER, "alice")
GRANTING = {"topics": ["*"], "accounts": [PRIVATE, "desk/fine", "desk/~*", "x/y/~z"], "scopes": ["admin"]}


async def test_no_claim_grants_a_vendors_users_account_whoever_signed_it(autojump_clock):
    auth = AuthSettings(secret=SECRET, jwks_url="https://keys", issuer="https://ours", audience="us")
    door = gate(Desk(), auth=auth, keys=jwks(PROVIDER_KEY, "v"))
    for key in (SECRET, PROVIDER_KEY):
        identity = await door.verify(vendors("alice", key, iss="https://ours", aud="us", feedbridge=GRANTING))
        assert identity.accounts == ("desk/fine",)
    minted, _ = mint_token(auth, TokenGrant(sub="k", ttl_seconds=60, accounts=(PRIVATE, "desk/fine")), START)
    assert (await door.verify(minted)).accounts == ("desk/fine",)


async def test_our_claim_in_a_vendors_token_counts_for_nothing(autojump_clock):
    for desk, token in ((Desk(), asked_for(feedbridge=GRANTING)), (Desk(**KEYED), vendors(feedbridge=GRANTING))):
        identity = await gate(desk).verify(token)
        assert (identity.accounts, identity.topics, identity.scopes) == ((PRIVATE,), ("trade:*",), frozenset())


async def test_a_vendors_user_is_never_one_of_ours_although_issuer_and_subject_are_the_same(autojump_clock):
    ours = await gate().verify(vendors("alice", SECRET))
    theirs = await gate(Desk()).verify(asked_for())
    assert (ours.user.subject, ours.user.issuer) == (theirs.user.subject, theirs.user.issuer)
    assert ours.user != theirs.user
    assert str(ours.user) != str(theirs.user)


async def test_a_vendors_token_may_live_longer_than_ours(autojump_clock):
    long = OURS.max_ttl_seconds * 30
    assert (await gate(Desk()).verify(asked_for(exp=NOW + long))).expires == (NOW + long) * SECONDS


async def test_a_vendor_that_names_its_users_in_a_claim_of_its_own_is_understood():
    """TradingView's tokens have a `userId` and no `sub`."""
    desk = Desk(subject="userId")
    token = vendors(sub=None, iss=None, userId="user_1_x", key="v" * 32)
    identity = await gate(desk).verify(token)
    assert identity.user == User("user_1_x", PLACE, vouched_by=DESK)
    with pytest.raises(Refusal):
        await gate(desk).verify(vendors(iss=None, key="v" * 32))
