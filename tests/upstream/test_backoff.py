"""How long a feed stays away."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.upstream.backoff import Backoff


def test_ceiling_doubles_with_each_failure_and_stops_at_the_cap():
    always_the_most = Backoff(1, 30, lambda: 1.0)
    assert [always_the_most.next() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_success_starts_from_the_base_again():
    backoff = Backoff(1, 30, lambda: 1.0)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.failures == 0
    assert backoff.next() == 1


def test_waits_cover_the_whole_range_from_zero():
    """Full jitter: a crowd that failed together does not come back together."""
    draws = random.Random(7)
    waits = []
    for _ in range(1000):
        backoff = Backoff(1, 30, draws.random)
        backoff.next()
        backoff.next()
        waits.append(backoff.next())
    assert min(waits) < 0.1
    assert max(waits) > 3.9
    assert 1.8 < sum(waits) / len(waits) < 2.2


@given(failures=st.integers(1, 3000), draw=st.floats(0, 1, exclude_max=True))
def test_wait_never_passes_the_cap_however_long_the_vendor_is_gone(failures, draw):
    backoff = Backoff(0.5, 20, lambda: draw)
    assert all(0 <= backoff.next() <= 20 for _ in range(failures))


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_vendors_wish_is_the_least_even_above_the_cap(draw):
    assert Backoff(1, 30, lambda: draw).next(120) == pytest.approx(120 + draw)
