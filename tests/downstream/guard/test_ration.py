"""How many are served in a turn: one, but more when turns are long anyway, and none while something else comes first."""

from bridge.downstream.guard.ration import LEAST, MOST, PATIENCE_SECONDS, SECONDS_FOR_ONE, Ration


def test_first_of_a_queue_comes_alone_however_long_there_was_none():
    ration = Ration()
    assert ration.take(1_000.0) == LEAST == 1
    ration.emptied()
    assert ration.take(2_000.0) == LEAST


def test_long_turns_take_as_many_as_half_of_their_time_is_enough_for_and_never_more_than_a_few():
    ration = Ration()
    ration.take(0.0)
    assert ration.take(SECONDS_FOR_ONE / 2) == LEAST
    assert ration.take(SECONDS_FOR_ONE * 6) == 5
    assert ration.take(60.0) == MOST


def test_who_comes_second_stands_back_for_a_moment_and_no_longer():
    busy = True
    ration = Ration(lambda: busy)
    assert [ration.take(PATIENCE_SECONDS * part) for part in (0, 0.4, 0.99)] == [0, 0, 0]
    assert ration.take(PATIENCE_SECONDS) >= LEAST
    assert ration.take(PATIENCE_SECONDS * 1.5) == 0
    busy = False
    assert ration.take(PATIENCE_SECONDS * 1.6) >= LEAST
