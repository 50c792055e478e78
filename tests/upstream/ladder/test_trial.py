"""How far a rung on trial is: it must hold everything for a while before the feed goes over to it."""

import pytest

from bridge.upstream.ladder.trial import (
    LEAD_SECONDS,
    LONGEST_SECONDS,
    SETTLE_SECONDS,
    STEADY_SECONDS,
    TRIAL_SECONDS,
    Stage,
    Trial,
)

WELL = {"any_covered": True, "well": True}


def test_a_better_rung_is_steady_then_noted_then_held_then_taken_over_to():
    trial, now, stages = Trial(0), 1.0, []
    for _ in range(4):
        stages.append(trial.advance(now, full=True, **WELL))
        now = trial.due_at
    assert stages == [Stage.STEADY, Stage.NOTING, Stage.HOLDING, Stage.TAKE_OVER]
    assert now == 1 + STEADY_SECONDS + LEAD_SECONDS + SETTLE_SECONDS


def test_nothing_happens_before_it_is_due():
    trial = Trial(0)
    trial.advance(1, full=True, **WELL)
    assert trial.advance(STEADY_SECONDS, full=True, **WELL) is Stage.STEADY


def test_when_the_rung_in_use_is_not_well_who_carries_anything_takes_over_at_once():
    assert Trial(0).advance(0.1, full=False, any_covered=True, well=False) is Stage.TAKE_OVER
    assert Trial(0).advance(0.1, full=False, any_covered=False, well=False) is Stage.WAITING


def test_a_rung_that_does_not_get_everything_in_time_is_given_up():
    trial = Trial(0)
    assert trial.due_at == TRIAL_SECONDS
    assert trial.advance(TRIAL_SECONDS, full=False, **WELL) is Stage.GIVE_UP


def test_a_rung_that_loses_something_must_be_steady_anew():
    trial = Trial(0)
    trial.advance(1, full=True, **WELL)
    assert trial.advance(3, full=False, **WELL) is Stage.WAITING
    trial.advance(4, full=True, **WELL)
    assert trial.due_at == 4 + STEADY_SECONDS


def test_a_rung_whose_coverage_comes_and_goes_is_not_waited_for_for_ever():
    trial, now = Trial(0), 0.0
    while trial.stage is not Stage.GIVE_UP:
        now += 1
        trial.advance(now, full=bool(now % 3), **WELL)
    assert now >= LONGEST_SECONDS


@pytest.mark.parametrize("steps", [2, 3])
def test_what_is_lost_in_the_midst_of_the_comparison_ends_the_trial(steps):
    trial, now = Trial(0), 0.0
    for _ in range(steps):
        trial.advance(now, full=True, **WELL)
        now = trial.due_at
    assert trial.comparing
    assert trial.advance(now - 0.1, full=False, **WELL) is Stage.GIVE_UP
