"""Asking a vendor about tokens, in virtual time; the vendor is a function from what it is shown to a status."""

import base64
import json
from collections.abc import Callable

import jwt
import pytest
import trio
from structlog.testing import capture_logs

from bridge.dialects.contract import Credential, HttpRequest, Refusal
from bridge.errors import TransportLost
from bridge.model import SECONDS, Code, FeedName, UnixNanos
from bridge.upstream.ask import INTERVAL_SECONDS
from bridge.upstream.network.refusals import Head
from bridge.upstream.vouching import ANSWER_SECONDS, NO_SECONDS, REMEMBERED, SOUND_SECONDS, WAITING, Vouching

NOW = 1_774_000_000
SECRET = "what-only-the-vendor-knows-32-bytes-long"


def signed(sub: str, secret: str = SECRET) -> str:
    return jwt.encode({"sub": sub, "exp": NOW + 7200}, secret, algorithm="HS256")


def judged(token: str | None) -> int:
    """A vendor as it should be."""
    try:
        jwt.decode(token or "", SECRET, algorithms=["HS256"], options={"verify_exp": False})
    except jwt.InvalidTokenError:
        return 401
    return 404


class Answer:
    def __init__(self, status: int) -> None:
        self.head = Head(status, "", {})

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class Party:
    """Stands for a vendor and the client that asks it; satisfies what `Vouching` uses of an `HttpClient`."""

    def __init__(self, status: Callable[[str | None], int | None] = judged) -> None:
        self.status = status
        self.shown: list[str | None] = []
        self.times: list[float] = []

    def clock(self) -> UnixNanos:
        return UnixNanos(NOW * SECONDS + round(trio.current_time() * SECONDS))

    async def open(self, request: HttpRequest) -> Answer:
        token = dict(request.headers).get("authorization")
        self.shown.append(token)
        self.times.append(trio.current_time())
        await trio.sleep(0.01)
        status = self.status(token)
        if status is None:
            raise TransportLost("vendor:443: no connection in time")
        if status == 0:
            await trio.sleep_forever()
        return Answer(status)

    def vouching(self) -> Vouching:
        def request(credential: Credential | None) -> HttpRequest:
            headers = () if credential is None else (("authorization", credential.token),)
            return HttpRequest(url="https://vendor/check", headers=headers)

        return Vouching(FeedName("desk"), request, self)


async def takes(vouching: Vouching, token: str, seconds: float = 7200) -> bool:
    return await vouching.takes(token, UnixNanos((NOW + round(seconds)) * SECONDS))


async def test_a_good_token_is_taken_once_guests_and_forgeries_were_refused(autojump_clock):
    party = Party()
    vouching = party.vouching()
    assert await takes(vouching, signed("alice"))
    good, guest, forged = party.shown
    assert (good, guest) == (signed("alice"), None)
    assert forged.split(".")[:2] == good.split(".")[:2]
    assert forged.split(".")[2] != good.split(".")[2]
    assert len(base64.urlsafe_b64decode(forged.split(".")[2] + "=")) == 32, (
        "no sloppy spelling that anybody would refuse"
    )
    assert await takes(vouching, signed("bob"))
    assert len(party.shown) == 4, "the control is remembered"
    assert not await takes(vouching, signed("carol", "somebody-elses-secret-of-32-bytes-or-so"))


@pytest.mark.parametrize("status", [401, 403, 301, 302, 307, 400, 405, 422, 418])
async def test_only_what_a_vendor_says_to_its_users_is_a_yes(autojump_clock, status):
    assert not await takes(Party(lambda token: status if token == signed("alice") else 401).vouching(), signed("alice"))


@pytest.mark.parametrize("status", [200, 204, 404])
async def test_a_yes_may_be_an_answer_or_the_lack_of_one(autojump_clock, status):
    assert await takes(Party(lambda token: status if token == signed("alice") else 403).vouching(), signed("alice"))


@pytest.mark.parametrize(
    "careless",
    [
        pytest.param(lambda _: 200, id="everybody"),
        pytest.param(lambda token: 404 if token is None else judged(token), id="guests"),
        pytest.param(lambda token: 401 if token is None else 200, id="whoever shows anything"),
        pytest.param(lambda token: 302 if token is None else judged(token), id="guests, to a login page"),
        pytest.param(
            lambda token: 400 if token and judged(token) == 401 else judged(token), id="forgeries are a bad request"
        ),
    ],
)
async def test_a_vendor_that_does_not_refuse_guests_and_forgeries_proves_nothing_and_the_operator_is_told_once(
    autojump_clock, careless
):
    vouching = Party(careless).vouching()
    with capture_logs() as lines:
        assert not await takes(vouching, signed("alice"))
        assert not await takes(vouching, signed("bob"))
        await trio.sleep(NO_SECONDS + 1)
        assert not await takes(vouching, signed("carol"))
    assert "set check_url" in vouching.statistics().problem
    assert [line["log_level"] for line in lines if line["feed"] == "desk"] == ["error"]
    assert "eyJ" not in str(lines) + repr(vouching) + str(vouching.statistics())


async def test_a_vendor_that_has_mended_its_ways_is_believed_after_a_minute_and_looked_at_again_every_hour(
    autojump_clock,
):
    party = Party(lambda _: 200)
    vouching = party.vouching()
    assert not await takes(vouching, signed("alice"))
    party.status = judged
    await trio.sleep(NO_SECONDS + 1)
    assert await takes(vouching, signed("alice"))
    assert vouching.statistics().problem is None
    party.status = lambda _: 200
    assert await takes(vouching, signed("bob"))
    await trio.sleep(SOUND_SECONDS)
    assert not await takes(vouching, signed("carol"))


async def test_a_strange_answer_to_one_user_keeps_nobody_else_out(autojump_clock):
    party = Party(lambda token: 400 if token == signed("eve") else judged(token))
    vouching = party.vouching()
    assert [await takes(vouching, signed(sub)) for sub in ("alice", "eve", "bob")] == [True, False, True]


@pytest.mark.parametrize("away", [429, 500, 503, 599, None, 0])
async def test_a_vendor_that_cannot_say_lets_nobody_in_and_is_asked_again(autojump_clock, away):
    party = Party(lambda _: away)
    vouching = party.vouching()
    for _ in range(2):
        with pytest.raises(Refusal) as caught, trio.fail_after(ANSWER_SECONDS + 1):
            await takes(vouching, signed("alice"))
        assert caught.value.code is Code.UPSTREAM_UNAVAILABLE
        assert caught.value.retry_after_seconds
    party.status = lambda token: away if token is None else judged(token)
    with pytest.raises(Refusal):
        await takes(vouching, signed("alice"))
    party.status = judged
    assert await takes(vouching, signed("alice"))


async def test_a_crowd_with_one_token_asks_once_and_shares_the_answer(autojump_clock):
    party, told = Party(), []
    vouching = party.vouching()

    async def come() -> None:
        told.append(await takes(vouching, signed("alice")))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(come)
    assert told == [True] * 50
    assert len(party.shown) == 3


async def test_when_the_one_who_asks_leaves_another_asks_in_their_stead(autojump_clock):
    party, told = Party(), []
    vouching = party.vouching()

    async def come() -> None:
        told.append(await takes(vouching, signed("alice")))

    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def come_and_go() -> None:
            with first:
                await come()

        nursery.start_soon(come_and_go)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(come)
        nursery.start_soon(come)
        await trio.testing.wait_all_tasks_blocked()
        first.cancel()
    assert told == [True, True]


async def test_a_yes_lasts_as_long_as_the_token_and_a_no_for_a_minute(autojump_clock):
    party = Party()
    vouching = party.vouching()
    bad = signed("bob", "somebody-elses-secret-of-32-bytes-or-so")
    assert await takes(vouching, signed("alice"), 7200)
    assert not await takes(vouching, bad)
    asked = len(party.shown)
    await trio.sleep(NO_SECONDS - 2)
    assert await takes(vouching, signed("alice"))
    assert not await takes(vouching, bad)
    assert len(party.shown) == asked
    await trio.sleep(3)
    assert not await takes(vouching, bad)
    assert len(party.shown) == asked + 1
    await trio.sleep(7200)
    await takes(vouching, signed("alice"))
    assert party.shown[asked + 1] == signed("alice")


async def test_invented_tokens_come_to_the_vendor_a_few_a_second_and_the_rest_is_told_to_come_back(autojump_clock):
    party, refused = Party(), []
    vouching = party.vouching()

    async def come(number: int) -> None:
        try:
            await takes(vouching, signed(f"u{number}", "somebody-elses-secret-of-32-bytes-or-so"))
        except Refusal as refusal:
            refused.append(refusal.code)

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(come, number)
    assert len(party.shown) == WAITING
    assert refused == [Code.OVERLOADED] * (200 - WAITING)
    pauses = [later - earlier for earlier, later in zip(party.times, party.times[1:], strict=False)]
    assert min(pauses) >= INTERVAL_SECONDS - 1e-9


async def test_what_is_remembered_is_bounded_and_holds_no_token(autojump_clock):
    party = Party(lambda _: 401)
    vouching = party.vouching()
    for number in range(REMEMBERED + 10):
        await takes(vouching, signed(f"u{number}"))
    assert vouching.statistics().remembered <= REMEMBERED
    assert not any(isinstance(value, str) and "eyJ" in value for value in vars(vouching).values())
    assert "eyJ" not in json.dumps([str(vars(vouching))])
