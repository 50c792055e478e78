"""The session table: every pair of state and turn either has its row or is an error."""

import itertools

import pytest

from bridge.upstream.session.state import TURNS, ImpossibleTurn, SessionState, Turn, after

ALLOWED = {
    "connecting": {"accepted": "open", "retired": "closing", "ended": "closed"},
    "open": {"confirmed": "ready", "retired": "closing", "ended": "closed"},
    "ready": {"confirmed": "ready", "retired": "closing", "ended": "closed"},
    "closing": {"confirmed": "closing", "retired": "closing", "ended": "closed"},
    "closed": {},
}


@pytest.mark.parametrize(("state", "turn"), list(itertools.product(SessionState, Turn)))
def test_every_pair_follows_the_picture_or_is_refused(state, turn):
    follows = ALLOWED[state].get(turn)
    if follows is None:
        with pytest.raises(ImpossibleTurn, match=f"{state} cannot be {turn}"):
            after(state, turn)
    else:
        assert after(state, turn) == follows


def test_the_table_has_nothing_beyond_the_picture():
    assert len(TURNS) == sum(map(len, ALLOWED.values()))
