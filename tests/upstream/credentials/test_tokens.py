"""The token keeper, in virtual time."""

import random
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from bridge.clock import TrioClock
from bridge.dialects.contract import Credential, HttpRequest, Site
from bridge.errors import ConfigError, TransportLost, VendorRefused
from bridge.model import SECONDS, UnixNanos
from bridge.upstream.credentials.tokens import MIN_INTERVAL_SECONDS, KeeperTerms, NoTokens, SourceKeeper, make_keeper
from bridge.upstream.settings import FeedSettings, TokenSource

START = UnixNanos(1_773_880_484 * SECONDS)
HALF_AN_HOUR = 1800.0


class Vendor:
    """A source that mints tokens `t1`, `t2`, … and notes when it was asked.

    Attributes:
        life_seconds: of each; None = no known end.
        fault: raised instead, while set.
        asked: when, on Trio's clock.
        poke: set to make `changed` return once.
    """

    def __init__(self, clock, life_seconds=HALF_AN_HOUR, answer_seconds=0.0):
        self.clock = clock
        self.life_seconds = life_seconds
        self.answer_seconds = answer_seconds
        self.fault = None
        self.asked = []
        self.same = None
        self.poke = trio.Event()

    async def get(self):
        self.asked.append(trio.current_time())
        await trio.sleep(self.answer_seconds)
        if self.fault is not None:
            raise self.fault
        self.poke = trio.Event()
        end = None if self.life_seconds is None else UnixNanos(self.clock() + round(self.life_seconds * SECONDS))
        return Credential(token=self.same or f"t{len(self.asked)}-secret", expires_at=end)

    async def changed(self):
        await self.poke.wait()

    def __repr__(self):
        return "the made-up mint"


def keeper_of(life_seconds=HALF_AN_HOUR, margin_seconds=60.0, answer_seconds=0.0):
    clock = TrioClock(START)
    vendor = Vendor(clock, life_seconds, answer_seconds)
    return SourceKeeper(vendor, KeeperTerms(margin_seconds, clock, random.Random(1).random)), vendor


async def renewal(keeper, held):
    """Wait for a renewal, though not for ever."""
    with trio.fail_after(100_000):
        return await keeper.renewal(held)


async def token(keeper):
    return (await keeper.current()).token


async def test_credential_is_fetched_once_and_kept(autojump_clock):
    keeper, vendor = keeper_of()
    assert await token(keeper) == "t1-secret"
    await trio.sleep(600)
    assert await token(keeper) == "t1-secret"
    assert len(vendor.asked) == 1


async def test_many_who_ask_at_once_share_one_question(autojump_clock):
    keeper, vendor = keeper_of(answer_seconds=2)
    got = []

    async def ask():
        got.append(await token(keeper))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert got == ["t1-secret"] * 20
    assert len(vendor.asked) == 1


async def test_many_who_ask_at_once_share_one_failure(autojump_clock):
    keeper, vendor = keeper_of(answer_seconds=2)
    vendor.fault = TransportLost("api: connection refused")
    failures = []

    async def ask():
        with pytest.raises(TransportLost):
            await keeper.current()
        failures.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert len(failures) == 20
    assert len(vendor.asked) == 1


async def test_question_cancelled_half_way_is_asked_again_by_who_waits(autojump_clock):
    keeper, vendor = keeper_of(answer_seconds=5)
    got = []

    async def patient():
        await trio.sleep(0.5)
        got.append(await token(keeper))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(patient)
        with trio.move_on_after(1):
            await keeper.current()
    assert got == ["t2-secret"]
    assert len(vendor.asked) == 2


async def test_failure_is_told_and_not_repeated_before_its_backoff(autojump_clock):
    keeper, vendor = keeper_of()
    vendor.fault = VendorRefused(429, "quota used up", retry_after_seconds=100)
    for _ in range(50):
        with pytest.raises(VendorRefused, match="quota"):
            await keeper.current()
    assert len(vendor.asked) == 1
    assert keeper.problem == "the made-up mint: the vendor refused (429): quota used up"
    vendor.fault = None
    await trio.sleep(99)
    with pytest.raises(VendorRefused):
        await keeper.current()
    await trio.sleep(3)
    assert await token(keeper) == "t2-secret"
    assert keeper.problem is None


async def test_refused_credential_is_replaced_but_never_in_a_loop(autojump_clock):
    keeper, vendor = keeper_of()
    begin = trio.current_time()
    while trio.current_time() - begin < 600:
        keeper.spoiled(await keeper.current())  # this vendor refuses everything
        await trio.sleep(0.25)
    assert 2 <= len(vendor.asked) <= 600 / MIN_INTERVAL_SECONDS + 1
    assert all(
        later - earlier >= MIN_INTERVAL_SECONDS for earlier, later in zip(vendor.asked, vendor.asked[1:], strict=False)
    )


async def test_late_complaint_about_an_old_credential_changes_nothing(autojump_clock):
    keeper, vendor = keeper_of()
    old = await keeper.current()
    keeper.spoiled(old)
    await trio.sleep(MIN_INTERVAL_SECONDS)
    assert await token(keeper) == "t2-secret"
    keeper.spoiled(old)
    keeper.spoiled(None)
    await trio.sleep(MIN_INTERVAL_SECONDS * 2)
    assert await token(keeper) == "t2-secret"
    assert len(vendor.asked) == 2


async def test_ended_credential_is_not_handed_out_when_there_is_no_other(autojump_clock):
    keeper, vendor = keeper_of(life_seconds=100)
    await keeper.current()
    vendor.fault = TransportLost("api: connection refused")
    await trio.sleep(101)
    with pytest.raises(TransportLost):
        await keeper.current()


@pytest.mark.parametrize(
    ("life_seconds", "margin_seconds", "due_after_seconds"),
    [
        (1800, 60, 1740),  # the vendor's shortest token, the default margin
        (1800, 3600, 900),  # never more than half its life
        (100, 60, 50),
        (1800, 0, 1800),
        (40, 60, 20),
        (6, 60, 3),  # however short it is
        (3, 60, 30),  # but one that has all but ended when it comes tells of a wrong clock
    ],
)
async def test_successor_comes_a_margin_before_the_end(autojump_clock, life_seconds, margin_seconds, due_after_seconds):
    keeper, vendor = keeper_of(life_seconds, margin_seconds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        first = await keeper.current()
        begin = trio.current_time()
        assert (await renewal(keeper, first)).token == "t2-secret"
        assert trio.current_time() - begin == pytest.approx(due_after_seconds, abs=0.01)
        assert await token(keeper) == "t2-secret"
        nursery.cancel_scope.cancel()
    assert len(vendor.asked) == 2


async def test_tokens_that_end_at_once_never_become_a_minting_loop(autojump_clock):
    """A clock of ours that is far ahead makes every token look ended."""
    keeper, vendor = keeper_of(life_seconds=-3600)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        assert await token(keeper) == "t1-secret"
        assert "the token ended at 2026-03-18T23:34:44Z" in keeper.problem
        await trio.sleep(600)
        nursery.cancel_scope.cancel()
    assert len(vendor.asked) <= 600 / 30 + 2


async def test_nothing_is_minted_before_somebody_asks(autojump_clock):
    keeper, vendor = keeper_of()
    with trio.move_on_after(10_000):
        await keeper.run()
    assert vendor.asked == []


async def test_failed_renewal_is_tried_again_with_growing_pauses_while_the_old_one_serves(autojump_clock):
    keeper, vendor = keeper_of(life_seconds=3600, margin_seconds=600)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        first = await keeper.current()
        await trio.sleep(2999)
        vendor.fault = TransportLost("api: connection refused")
        await trio.sleep(300)
        assert await keeper.current() is first
        assert keeper.problem == "the made-up mint: api: connection refused"
        assert 5 <= len(vendor.asked) <= 30
        vendor.fault = None
        await renewal(keeper, first)
        assert keeper.problem is None
        nursery.cancel_scope.cancel()


async def test_changed_source_is_asked_at_once(autojump_clock):
    keeper, vendor = keeper_of(life_seconds=None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        first = await keeper.current()
        await trio.sleep(80_000)
        assert len(vendor.asked) == 1
        begin = trio.current_time()
        vendor.poke.set()
        assert (await renewal(keeper, first)).token == "t2-secret"
        assert trio.current_time() == begin
        nursery.cancel_scope.cancel()


async def test_same_token_again_is_no_renewal(autojump_clock):
    keeper, vendor = keeper_of(life_seconds=1800)
    vendor.same = "unchanged"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        first = await keeper.current()
        with trio.move_on_after(7200) as scope:
            await keeper.renewal(first)
        assert scope.cancelled_caught
        nursery.cancel_scope.cancel()


async def test_renewal_of_who_holds_none_is_the_first_credential(autojump_clock):
    keeper, _ = keeper_of()
    async with trio.open_nursery() as nursery:

        async def later():
            await trio.sleep(5)
            await keeper.current()

        nursery.start_soon(later)
        assert (await renewal(keeper, None)).token == "t1-secret"


async def test_keepers_text_never_holds_the_secret(autojump_clock):
    keeper, _ = keeper_of()
    assert "nothing yet" in repr(keeper)
    credential = await keeper.current()
    assert "t1-secret" not in repr(keeper) + str(keeper) + repr(credential)
    assert "2026-03-19T01:04:44Z" in repr(keeper)


async def test_replaced_file_renews_within_seconds(tmp_path, autojump_clock):
    path = tmp_path / "liquidity.token"
    path.write_text("first\n")
    settings = FeedSettings(dialect="liquidity", url="http://h", token=TokenSource(file=str(path)))
    keeper = make_keeper(settings, NO_MINT, lambda: Site(url="http://h"), CLIENT, random.random)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        first = await keeper.current()
        await trio.sleep(3600)
        path.write_text("second, but unfinished")
        await trio.sleep(10)
        assert "one word" in keeper.problem
        assert await keeper.current() is first
        path.write_text("second\n")
        with trio.fail_after(61):
            assert (await renewal(keeper, first)).token == "second"
        assert keeper.problem is None
        nursery.cancel_scope.cancel()


CLIENT = SimpleNamespace(clock=lambda: START, fetch=None)
NO_MINT = SimpleNamespace(mint=lambda _site: None, minted=None)
MINT = SimpleNamespace(mint=lambda _site: HttpRequest(url="https://mint.test/?k=s"), minted=None)


async def test_feed_without_a_token_has_none(autojump_clock):
    keeper = make_keeper(
        FeedSettings(dialect="x", url="http://h"), NO_MINT, lambda: Site(url="http://h"), CLIENT, random.random
    )
    assert isinstance(keeper, NoTokens)
    assert await keeper.current() is None
    keeper.spoiled(None)
    assert keeper.problem is None
    with trio.move_on_after(1e6) as scope:
        await keeper.renewal(None)
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("source", "dialect", "name"),
    [
        (TokenSource(value="v"), NO_MINT, "the configured token"),
        (TokenSource(file="/f"), NO_MINT, "the token file /f"),
        (TokenSource(command=("vault", "read"), refresh_seconds=60), NO_MINT, "the token command vault"),
        (None, MINT, "the mint https://mint.test/"),
        (TokenSource(value="v"), MINT, "the configured token"),
    ],
)
async def test_source_is_the_configured_one_before_the_mint(source, dialect, name):
    settings = FeedSettings(dialect="x", url="http://h", token=source)
    keeper = make_keeper(settings, dialect, lambda: Site(url="http://h"), CLIENT, random.random)
    assert repr(keeper) == f"<TokenKeeper {name}, nothing yet>"


@pytest.mark.parametrize("source", [TokenSource(), TokenSource(value="v", file="/f"), TokenSource(command=())])
async def test_no_source_or_several_is_the_operators_mistake(source):
    settings = FeedSettings(dialect="x", url="http://h", token=source)
    with pytest.raises(ConfigError, match="exactly one"):
        make_keeper(settings, NO_MINT, lambda: Site(url="http://h"), CLIENT, random.random)


@pytest.mark.parametrize("jump_seconds", [-3600, 3600])
async def test_a_wall_clock_that_is_set_neither_keeps_a_token_beyond_its_life_nor_mints_without_end(
    jump_seconds, autojump_clock
):
    true = TrioClock(START)
    off = [0]
    vendor = Vendor(true)
    keeper = SourceKeeper(vendor, KeeperTerms(60, lambda: UnixNanos(true() + off[0] * SECONDS), lambda: 1.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        first = await keeper.current()
        await trio.sleep(60)
        off[0] = jump_seconds
        renewed = None
        with trio.move_on_after(HALF_AN_HOUR - 60):  # its end, by the vendor's clock
            renewed = await keeper.renewal(first)
        assert renewed is not None
        off[0] = 0
        asked = len(vendor.asked)
        await trio.sleep(4 * HALF_AN_HOUR)
        assert len(vendor.asked) - asked <= 6
        nursery.cancel_scope.cancel()
