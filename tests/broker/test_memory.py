"""The log in memory: offsets, epochs, and one publication after the other."""

import re

import pytest

from bridge.broker.memory import MemoryLog
from bridge.model import FeedHealth, FeedName, FeedStatus, UnixNanos


def status(reason: str) -> FeedStatus:
    return FeedStatus(feed=FeedName("f"), status=FeedHealth.LIVE, ts_recv=UnixNanos(0), reason=reason)


def test_each_life_has_an_epoch_of_its_own():
    epochs = {MemoryLog().epoch for _ in range(100)}
    assert len(epochs) == 100
    assert all(re.fullmatch("[a-z0-9]{6,32}", epoch) for epoch in epochs)


def test_offsets_rise_by_one_from_one_and_everything_is_applied_before_append_returns():
    log, seen = MemoryLog(), []
    log.attach(lambda publication: seen.append((publication.offset, publication.event.reason, log.head)))
    assert log.head == 0
    log.append(status("a"))
    log.append(status("b"))
    assert seen == [(1, "a", 1), (2, "b", 2)]
    assert log.head == 2


def test_what_is_appended_while_another_is_applied_waits_its_turn():
    log, seen = MemoryLog(), []

    def apply(publication):
        if publication.event.reason == "a":
            log.append(status("a1"))
            log.append(status("a2"))
            assert log.head == publication.offset
        seen.append((publication.offset, publication.event.reason))

    log.attach(apply)
    log.append(status("a"))
    log.append(status("b"))
    assert seen == [(1, "a"), (2, "a1"), (3, "a2"), (4, "b")]


def test_an_error_while_applying_leaves_the_log_usable():
    log, seen = MemoryLog(), []

    def apply(publication):
        if publication.event.reason == "bad":
            raise ZeroDivisionError
        seen.append(publication.offset)

    log.attach(apply)
    with pytest.raises(ZeroDivisionError):
        log.append(status("bad"))
    log.append(status("good"))
    assert seen == [2]


def test_a_log_tells_one_hub_only_and_wants_it_before_the_first_append():
    log = MemoryLog()
    with pytest.raises(RuntimeError, match="attach"):
        log.append(status("a"))
    log.attach(lambda _: None)
    with pytest.raises(RuntimeError, match="one hub"):
        log.attach(lambda _: None)
