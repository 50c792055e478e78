"""Which feed serves: every row of the table, and that nothing flaps."""

import itertools

import pytest

from bridge.hub.lineups.preference import BROKEN, Chance, choose
from bridge.model import FeedHealth

LETTERS = {
    "L": Chance(FeedHealth.LIVE),
    "S": Chance(FeedHealth.LIVE, settled=True),
    "c": Chance(FeedHealth.CONNECTING),
    "s": Chance(FeedHealth.STALE),
    "d": Chance(FeedHealth.DOWN),
    "?": Chance(None),
}


def chosen(on, feeds):
    return choose(on, [LETTERS[letter] for letter in feeds])


@pytest.mark.parametrize("broken", ["s", "d"])
def test_what_is_stale_or_down_gives_way_to_the_first_that_is_live(broken):
    assert chosen(0, broken + "cL") == 2
    assert chosen(0, broken + "LL") == 1
    assert chosen(2, "cL" + broken) == 1


def test_with_none_live_the_next_that_is_not_known_to_be_broken_is_tried():
    assert chosen(0, "d?") == 1
    assert chosen(0, "dsc") == 2
    assert chosen(1, "cd") == 0


def test_with_all_broken_it_stays_where_it_is():
    assert [chosen(on, "dsd") for on in range(3)] == [0, 1, 2]


def test_a_feed_that_is_only_connecting_is_waited_for():
    assert chosen(0, "cL") == 0
    assert chosen(0, "?L") == 0


def test_it_goes_back_only_to_what_is_settled():
    assert chosen(1, "LL") == 1
    assert chosen(1, "SL") == 0
    assert chosen(2, "LSL") == 1


def test_one_that_was_never_live_is_left_at_once_for_a_preferred_one_that_is():
    assert chosen(1, "Lc") == 0
    assert chosen(1, "cc") == 1


def test_the_choice_is_always_at_rest():
    for feeds in itertools.product(LETTERS, repeat=3):
        for on in range(3):
            once = chosen(on, feeds)
            assert chosen(once, feeds) == once, (on, feeds)
            live = [place for place in range(3) if feeds[place] in "LS"]
            if live and LETTERS[feeds[on]].health in BROKEN:
                assert once == live[0]
