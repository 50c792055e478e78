"""A short run of every target with one seed, what longer runs have found, and that the hunter finds what it hunts for."""

import base64
import json

import pytest

from bridge.config import parse_config
from bridge.dialects.contract import Frame, Lane, Refusal, Transport
from bridge.dialects.loader import load_dialect
from bridge.downstream.access.jwks import usable
from bridge.downstream.access.origin import Way, origin_allowed, plain_address
from bridge.downstream.access.tokens import read_token
from bridge.downstream.requests.incoming import arrival
from bridge.downstream.requests.patch import _read as read_change
from bridge.downstream.requests.routes import raw_path
from bridge.downstream.settings import AuthSettings, ListenSettings
from bridge.errors import ConfigError, VendorProtocolError
from bridge.model import SECONDS, Code
from bridge.upstream.network.refusals import retry_after
from tests.dialects.sample import TS_RECV
from tests.dialects.stage import asked_of, symbols_of
from tests.fuzz.claims import NOW, SECRET, sign
from tests.fuzz.configuration import NOWHERE
from tests.fuzz.hunt import Finding, Target, hunt
from tests.fuzz.targets import TARGETS

SEED = 6
SESSIONS = 12


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_mutation_of_a_sample_does_more_than_be_refused_or_understood(target):
    report = hunt(target, SEED, iter(range(SESSIONS)))
    assert report.inputs == SESSIONS * target.inputs
    assert len(report.outcomes) > 1, "everything is refused, or nothing: the samples reach nothing"


def test_a_crash_is_found_and_says_how_to_see_it_again():
    def begin(_):
        def judge(data):
            if b"9999" in data:
                raise KeyError("nobody thought of that")
            return "fine"

        return judge

    with pytest.raises(Finding, match=r"make fuzz TARGET=broken SEED=6 SESSION=\d+\ninput \d+: .*\nKeyError"):
        hunt(Target("broken", [b'{"price":1}'], begin), SEED, iter(range(1_000)))


def test_an_endless_loop_is_found(monkeypatch):
    monkeypatch.setattr("tests.fuzz.hunt.SESSION_SECONDS", 0.05)

    def judge(_):
        while True:
            pass

    with pytest.raises(Finding, match="processor time"):
        hunt(Target("endless", [b"x"], lambda _: judge), SEED, iter(range(1)))


def test_a_leak_is_found(monkeypatch):
    held = []
    monkeypatch.setattr("tests.fuzz.hunt.resident_bytes", lambda: 1 + 1_000 * len(held))

    def judge(data):
        held.append(data)
        return "fine"

    with pytest.raises(Finding, match=r"holds .* bytes more"):
        hunt(Target("leaking", [b"x"], lambda _: judge), SEED, iter(range(10_000)))


def test_a_seed_decides_everything():
    def seen(seed):
        inputs = []

        def judge(data):
            inputs.append(data)
            return "fine"

        hunt(Target("a", [b'{"a":1,"b":"x"}'], lambda _: judge), seed, iter(range(3)))
        return inputs

    assert seen(1) == seen(1) != seen(2)


# ── what was found; each was a crash, or words without end, before ──


def test_an_error_about_a_vendors_message_is_short_however_long_its_words_are():
    with pytest.raises(VendorProtocolError) as caught:
        load_dialect("canonical").decoder(asked_of("canonical", Lane(Transport.WEBSOCKET))).decode(
            Frame(data=b'{"type":"trade","aggressor_side":"%b"}' % (b"a" * 100_000), ts_recv=TS_RECV)
        )
    assert len(str(caught.value)) < 2_000


def test_a_refusal_is_short_however_long_the_clients_words_are():
    conversation = load_dialect("canonical").conversation(Transport.WEBSOCKET, symbols_of("canonical"))
    with pytest.raises(Refusal) as caught:
        conversation.receive(b'{"op":"%b"}' % (b"a" * 100_000), TS_RECV)
    assert len(caught.value.message) <= 500
    with pytest.raises(Refusal) as caught:
        read_change(b'{"conflate":"%b"}' % (b"a" * 100_000))
    assert len(caught.value.message) <= 500
    assert caught.value.code is Code.BAD_REQUEST


def quote_of_another_bridge(extra: bytes):
    asked = asked_of("canonical", Lane(Transport.WEBSOCKET), ["quote:AAPL"])
    frame = b'{"type":"quote","instrument":"AAPL","ts_recv":"2026-03-19T00:34:44Z","bid":"1","extra":{%b}}' % extra
    return load_dialect("canonical").decoder(asked).decode(Frame(data=frame, ts_recv=TS_RECV))[-1]


def test_another_bridges_other_fields_are_text_or_the_message_is_malformed():
    with pytest.raises(VendorProtocolError):
        quote_of_another_bridge(b'"a":"\xff"')
    with pytest.raises(VendorProtocolError):
        quote_of_another_bridge(b'"a":"\\ud800"')


def test_another_bridges_other_fields_are_bounded_and_on_one_line():
    many = b",".join(b'"f%d":%d' % (number, number) for number in range(400))
    assert len(quote_of_another_bridge(many).extra) == 300
    assert bytes(quote_of_another_bridge(b'"a":{"b":\r\n1}').extra["a"]) == b'{"b":  1}'


def test_a_number_that_not_every_reader_can_read_is_not_handed_on():
    extra = quote_of_another_bridge(b'"a":1,"b":%b,"c":[%b],"d":2' % (b"1" * 5_000, b"2" * 400)).extra
    assert set(extra) == {"a", "d"}


@pytest.mark.parametrize("zone", ["18446744073709551616", "+9999"])
def test_a_retry_after_of_an_impossible_zone_is_no_word(zone):
    assert retry_after({"retry-after": f"Wed, 21 Oct 2026 07:28:00 {zone}"}, TS_RECV) in {None, 0.0}


GOOD_KEY = {
    "kty": "OKP",
    "kid": "good",
    "crv": "Ed25519",
    "x": base64.urlsafe_b64encode(b"\1" * 32).decode().rstrip("="),
}


@pytest.mark.parametrize(
    "bad",
    [
        {"kty": "OKP", "kid": "b", "crv": "Ed25519"},
        {"kty": "EC", "kid": "b", "crv": "P-256", "x": 7, "y": None},
        {"kty": ["RSA"], "kid": "b"},
        {"kty": "RSA", "kid": {"a": 1}, "n": "x", "e": "AQAB"},
        {"kty": "oct", "kid": "b"},
        {"kty": "RSA", "kid": "b", "n": "\u0661", "e": "AQAB"},
    ],
)
def test_a_providers_malformed_key_costs_only_itself(bad):
    assert set(usable(json.dumps({"keys": [bad, GOOD_KEY]}).encode())) == {"good"}


@pytest.mark.parametrize("body", [b"[" * 5_000, b"7", b'{"keys":{}}', b'{"keys":[7]}', b'{"keys":[]}', b"\xff"])
def test_what_is_no_key_set_is_a_value_error(body):
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the contract
        usable(body)


@pytest.mark.parametrize("value", ["[" * 3_000, "1" * 5_000])
def test_a_configuration_that_no_reader_can_read_is_the_operators_mistake(value):
    with pytest.raises(ConfigError, match="not TOML"):
        parse_config(f"a = {value}", NOWHERE, {})


def scope(**changes):
    bare = {"type": "http", "scheme": "http", "http_version": "1.1", "query_string": b"", "client": ("10.0.0.1", 1)}
    return {**bare, "headers": [], **changes}


@pytest.mark.parametrize(
    "host", [b"[", b"a b", b"a\tb", b"a/b", b"u@h", b"h:123456", b"a,b", b"\xe9", b"[::1]x", b"[:1.21]:80"]
)
def test_a_malformed_host_is_a_bad_request(host):
    with pytest.raises(ValueError, match="Host"):
        arrival(scope(headers=[(b"host", host)]), ())


@pytest.mark.parametrize("host", [b"localhost:80", b"[::1]:8080", b"a.b-c_d.example.", b"127.0.0.1", b""])
def test_a_usual_host_is_none(host):
    assert arrival(scope(headers=[(b"host", host)]), ()).way.authority == (host.decode() or None)


def test_an_absolute_target_of_no_address_is_nothing_of_ours():
    assert raw_path(b"http://[/v1/stream") == "http://[/v1/stream"


@pytest.mark.parametrize("said", ["1.2.3.4 eyJhbGci.e30.c2ln", "a\x1b[2J", "x" * 65, "a b", ""])
def test_a_forwarded_address_is_an_address_or_a_name_and_never_a_text(said):
    assert plain_address(said) == "unknown"


@pytest.mark.parametrize("name", ["unknown", "_hidden", "_SEVKISEK"])
def test_a_proxys_name_for_a_peer_is_kept(name):
    assert plain_address(name) == name


@pytest.mark.parametrize("origin", ["https://desk\t.example", "https://desk.\nexample", " https://desk.example"])
def test_an_origin_with_white_space_is_no_listed_one(origin):
    way = Way(address="10.0.0.1", scheme="https", authority="bridge.example")
    listen = ListenSettings(allowed_origins=("https://desk.example",))
    assert origin_allowed("https://desk.example", way, listen)
    assert not origin_allowed(origin, way, listen)


@pytest.mark.parametrize(
    "number", [b"1e999", b"-1.5E+400", b"[1,{'a':2}]".replace(b"'", b'"').replace(b"2", b"7e999999999")]
)
def test_a_number_beyond_every_double_is_not_handed_on(number):
    kept = b'"logo-ide123","x":"a5e1234"'
    extra = quote_of_another_bridge(b'"a":%b,"b":%b' % (number, kept)).extra
    assert {name: bytes(raw) for name, raw in extra.items()} == {"b": b'"logo-ide123"', "x": b'"a5e1234"'}


def test_an_id_that_every_answer_would_repeat_is_short():
    conversation = load_dialect("tradingview").conversation(Transport.WEBSOCKET, symbols_of("tradingview"))
    with pytest.raises(Refusal) as caught:
        conversation.receive(b'{"action":"unsubscribe","id":"%b"}' % (b"a" * 201), TS_RECV)
    assert (caught.value.code, caught.value.ref) == (Code.BAD_REQUEST, None)


@pytest.mark.parametrize("claim", ["sub", "iss", "feedbridge"])
async def test_a_claim_of_half_characters_lets_nobody_in(claim):
    odd = {"feedbridge": {"\ud800": 1}}.get(claim, "\ud800")
    auth = AuthSettings(secret=SECRET)
    claims = json.dumps({"sub": "alice", "exp": NOW // SECONDS + 60, claim: odd}).encode()
    with pytest.raises(Refusal) as caught:
        await read_token(auth, sign(b'{"alg":"HS256"}', claims), None, NOW)
    assert caught.value.code is Code.UNAUTHORIZED


def test_a_mistake_in_the_configuration_is_told_in_short():
    with pytest.raises(ConfigError) as caught:
        parse_config(f'[auth]\nmode = "{"a" * 100_000}"', NOWHERE, {})
    assert max(map(len, caught.value.problems)) <= 1_000


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
async def test_a_moment_too_far_for_any_clock_lets_nobody_in(claim):
    claims = {"sub": "alice", "exp": NOW // SECONDS + 60} | {claim: 10**400}
    token = sign(b'{"alg":"HS256"}', json.dumps(claims).encode())
    reading = read_token(AuthSettings(secret=SECRET), token, None, NOW)
    if claim == "iat":
        assert (await reading).issued > NOW
        return
    with pytest.raises(Refusal) as caught:
        await reading
    assert caught.value.code is Code.UNAUTHORIZED
