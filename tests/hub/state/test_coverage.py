"""What a returning cursor must be told, told by the life of one topic."""

from bridge.hub.state.coverage import ELSEWHERE, Coverage, Hole
from bridge.model import Cause


def test_a_cursor_from_within_unbroken_coverage_missed_nothing():
    coverage = Coverage(born=3)
    coverage.cover(5)
    assert coverage.hole(5, head=9) is None
    assert coverage.hole(9, head=9) is None


def test_waiting_for_the_first_coverage_promises_nothing_and_owes_nothing():
    coverage = Coverage(born=3)
    assert not coverage.promised
    assert coverage.hole(3, head=4) is None
    coverage.cover(5)
    assert coverage.promised
    assert coverage.hole(3, head=9) is None


def test_a_cursor_from_before_we_knew_the_topic_is_told_of_a_hole_up_to_its_coverage():
    coverage = Coverage(born=3)
    assert coverage.hole(2, head=4) == Hole(2, 4, Cause.UPSTREAM)
    coverage.cover(5)
    assert coverage.hole(2, head=9) == Hole(2, 5, Cause.UPSTREAM)


def test_a_break_is_told_to_whoever_stood_before_coverage_began_again():
    coverage = Coverage(born=0)
    coverage.cover(2)
    coverage.lose(10)
    coverage.cover(20)
    assert coverage.hole(9, head=30) == Hole(9, 20, Cause.UPSTREAM)
    assert coverage.hole(20, head=30) is None


def test_while_it_is_broken_the_hole_reaches_to_the_head_and_the_rest_is_declared_later():
    coverage = Coverage(born=0)
    coverage.cover(2)
    coverage.lose(10)
    assert coverage.hole(9, head=12) == Hole(9, 12, Cause.UPSTREAM)
    assert coverage.hole(11, head=12) is None


def test_another_epoch_is_older_than_everything():
    coverage = Coverage(born=0)
    assert coverage.hole(ELSEWHERE, head=0) == Hole(ELSEWHERE, 0, Cause.HISTORY)
    coverage.cover(2)
    assert coverage.hole(ELSEWHERE, head=7) == Hole(ELSEWHERE, 2, Cause.HISTORY)


def test_a_hole_declared_before_the_first_coverage_is_continued_by_it():
    coverage = Coverage(born=3)
    coverage.declared(Hole(ELSEWHERE, 4, Cause.HISTORY))
    assert coverage.lost == 4
    coverage.cover(9)
    assert coverage.hole(4, head=9) == Hole(4, 9, Cause.UPSTREAM)


def test_saying_it_twice_changes_nothing():
    coverage = Coverage(born=0)
    assert coverage.lose(1) is False
    assert coverage.cover(2) is True
    assert coverage.cover(3) is False
    assert coverage.since == 2
    assert coverage.lose(4) is True
    assert coverage.lose(5) is False
    assert coverage.lost == 4


def test_a_cursor_given_in_the_midst_of_a_break_is_told_of_all_of_it():
    coverage = Coverage(born=0)
    coverage.cover(2)
    coverage.lose(10)
    coverage.cover(20)
    coverage.lose(30)
    coverage.cover(40)
    assert coverage.hole(15, head=50) == Hole(10, 40, Cause.UPSTREAM)
    assert coverage.hole(35, head=50) == Hole(30, 40, Cause.UPSTREAM)
    assert coverage.hole(25, head=50) == Hole(25, 40, Cause.UPSTREAM)


def test_very_old_breaks_are_taken_for_one():
    coverage = Coverage(born=0)
    coverage.cover(1)
    for start in range(10, 10 * 100, 10):
        coverage.lose(start)
        coverage.cover(start + 5)
    assert coverage.hole(17, head=2_000) == Hole(10, 995, Cause.UPSTREAM)
    assert coverage.hole(987, head=2_000) == Hole(987, 995, Cause.UPSTREAM)
    assert coverage.hole(982, head=2_000) == Hole(980, 995, Cause.UPSTREAM)


def test_a_break_that_cost_nothing_was_none():
    coverage = Coverage(born=0)
    coverage.cover(2)
    coverage.lose(10)
    assert coverage.cover(20, continued=True) is True
    assert (coverage.since, coverage.lost) == (2, None)
    for after in (2, 9, 10, 15, 20):
        assert coverage.hole(after, head=30) is None
    coverage.lose(40)
    coverage.cover(50)
    assert coverage.hole(30, head=60) == Hole(30, 50, Cause.UPSTREAM)
    coverage.lose(70)
    coverage.cover(80, continued=True)
    assert coverage.hole(30, head=90) == Hole(30, 50, Cause.UPSTREAM), "the break before it is still one"
    assert coverage.hole(60, head=90) is None


def test_what_was_never_covered_or_already_told_cannot_be_continued():
    fresh = Coverage(born=3)
    fresh.cover(5, continued=True)
    assert fresh.since == 5
    told = Coverage(born=0)
    told.cover(2)
    told.lose(10)
    told.tell(15)
    told.cover(20, continued=True)
    assert told.hole(9, head=30) == Hole(9, 20, Cause.UPSTREAM)
