"""Which rung is tried when: plain decisions, checked without a feed."""

import pytest

from bridge.upstream.ladder.ladder import PAUSE_CAP_SECONDS, PAUSE_SECONDS, Ladder


def ladder(rungs: int = 3) -> Ladder:
    return Ladder(rungs, lambda: 0.0)


def any_rung(_: int) -> bool:
    return True


def fall(ladder: Ladder, now: float, to: int) -> None:
    ladder.begin(to)
    ladder.moved(now, 0)


def test_the_best_rung_is_stood_on_and_nothing_is_tried_while_it_is_well():
    one = ladder()
    assert one.on == 0
    assert one.candidate(0, well=True, able=any_rung) is None
    assert one.due_at(well=True) == float("inf")


def test_when_it_is_not_well_the_next_best_is_tried_one_at_a_time():
    one = ladder()
    assert one.candidate(0, well=False, able=any_rung) == 1
    one.begin(1)
    assert one.candidate(0, well=False, able=any_rung) is None
    one.failed(0, 0)
    assert one.candidate(0, well=False, able=any_rung) == 2


def test_a_rung_that_can_carry_nothing_of_what_is_wanted_is_not_tried():
    assert ladder().candidate(0, well=False, able=lambda rung: rung == 2) == 2


def test_a_rung_that_was_fallen_from_is_left_alone_for_a_pause_and_the_best_is_tried_first():
    one = ladder()
    fall(one, 0, to=2)
    assert one.candidate(0, well=True, able=any_rung) == 1
    one.begin(1)
    one.failed(1, 0)
    assert one.candidate(PAUSE_SECONDS - 1, well=True, able=any_rung) is None
    assert one.due_at(well=True) == PAUSE_SECONDS
    assert one.candidate(PAUSE_SECONDS + 1, well=True, able=any_rung) == 0


def test_the_pause_doubles_with_each_failure_up_to_its_cap():
    one, now, pauses = ladder(2), 0.0, []
    fall(one, now, to=1)
    for _ in range(9):
        pauses.append(one.due_at(well=True) - now)
        now = one.due_at(well=True)
        one.begin(0)
        one.failed(now, 0)
    assert pauses == [min(PAUSE_CAP_SECONDS, PAUSE_SECONDS * 2**n) for n in range(9)]


def test_the_vendors_own_stay_away_comes_before_the_pause():
    one = ladder(2)
    one.begin(1)
    one.moved(10, 600)
    assert one.due_at(well=True) == 600 + PAUSE_SECONDS


@pytest.mark.parametrize(("held", "pause"), [(29, 60), (31, 30)])
def test_a_rung_that_held_as_long_as_its_last_pause_is_trusted_again(held, pause):
    one = ladder(2)
    fall(one, 0, to=1)
    one.begin(0)
    one.moved(100, 0)
    fall(one, 100 + held, to=1)
    assert one.due_at(well=True) == 100 + held + pause


def test_a_rung_that_is_climbed_from_may_be_fallen_to_at_once():
    one = ladder(2)
    fall(one, 0, to=1)
    one.begin(0)
    one.moved(100, 0)
    assert one.candidate(100, well=False, able=any_rung) == 1


def test_a_trial_that_is_not_needed_any_more_costs_no_pause():
    one = ladder(2)
    one.begin(1)
    one.withdrawn()
    assert one.candidate(0, well=False, able=any_rung) == 1


def test_at_rest_it_goes_as_far_up_as_may_be():
    one = ladder()
    fall(one, 0, to=1)
    fall(one, 0, to=2)
    one.rest(1)
    assert one.on == 2
    one.rest(PAUSE_SECONDS)
    assert one.on == 0


def test_bridges_that_fell_at_the_same_moment_do_not_come_back_at_the_same_moment():
    early, late = Ladder(2, lambda: 0.0), Ladder(2, lambda: 0.999)
    fall(early, 0, to=1)
    fall(late, 0, to=1)
    assert late.due_at(well=True) - early.due_at(well=True) > PAUSE_SECONDS / 3
