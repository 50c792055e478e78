"""What is kept of a topic, within its bounds; a book's always begins whole."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bridge.book import Book
from bridge.hub.contract import Publication
from bridge.hub.settings import HubSettings
from bridge.hub.state.history import History
from bridge.hub.state.latest import Latest
from bridge.model import (
    SECONDS,
    Bar,
    BookDelta,
    BookLevel,
    BookSnapshot,
    FeedName,
    InstrumentId,
    Trade,
    UnixNanos,
)

X = {"instrument": InstrumentId("X"), "feed": FeedName("f"), "ts_recv": UnixNanos(0)}
NOW = UnixNanos(1_000 * SECONDS)


def trade(offset: int) -> Publication:
    return Publication(offset, Trade(**X, price=Decimal(1), size=Decimal(1)))


def bar(offset: int, *, is_final: bool) -> Publication:
    one = Decimal(1)
    return Publication(offset, Bar(**X, interval="1m", open=one, high=one, low=one, close=one, is_final=is_final))


def offsets(publications) -> list[int]:
    return [publication.offset for publication in publications]


def test_it_keeps_the_newest_events_and_says_what_it_let_go():
    history = History(HubSettings(history_events=3))
    for offset in (2, 4, 6, 8, 10):
        history.append(trade(offset), NOW)
    assert offsets(history.after(0)) == [6, 8, 10]
    assert offsets(history.after(6)) == [8, 10]
    assert offsets(history.after(7)) == [8, 10]
    assert history.after(10) == []
    assert (history.trimmed, history.trimmed_log) == (4, 4)


def test_it_is_bounded_in_bytes():
    history = History(HubSettings(history_bytes=10_000))
    for offset in range(1, 1_000):
        history.append(trade(offset), NOW)
    assert 0 < history.size_bytes <= 10_000
    assert len(history) < 100
    history.clear()
    assert (history.size_bytes, len(history), history.trimmed) == (0, 0, 999)


def test_it_is_bounded_in_age():
    history = History(HubSettings(history_seconds=10))
    history.append(trade(1), UnixNanos(NOW))
    history.append(trade(2), UnixNanos(NOW + 5 * SECONDS))
    history.expire(UnixNanos(NOW + 10 * SECONDS))
    assert offsets(history.after(0)) == [1, 2]
    history.expire(UnixNanos(NOW + 11 * SECONDS))
    assert offsets(history.after(0)) == [2]


def test_an_open_bar_that_is_let_go_need_not_be_declared():
    history = History(HubSettings(history_events=1))
    history.append(bar(1, is_final=True), NOW)
    history.append(bar(2, is_final=False), NOW)
    history.append(bar(3, is_final=False), NOW)
    assert (history.trimmed, history.trimmed_log) == (2, 1)


def test_the_newest_are_those_that_matter_oldest_first():
    history = History(HubSettings())
    for offset in range(1, 9):
        history.append(bar(offset, is_final=offset % 2 == 0), NOW)
    assert offsets(history.newest(3)) == [4, 6, 8]
    assert offsets(history.newest(100)) == [2, 4, 6, 8]
    assert history.newest(0) == []


def test_a_checkpoint_comes_often_enough_that_trimming_never_takes_all():
    history, latest, kept = History(HubSettings(history_events=400), of_book=True), Latest(), []
    for offset in range(1, 3_000):
        keep(history, latest, book_publication(offset, offset))
        kept.append(len(history.after(0)))
    assert min(kept[400:]) >= 200
    assert max(kept) <= 401


def keep(history: History, latest: Latest, publication: Publication) -> None:
    if isinstance(publication.event, BookDelta) and history.wants_checkpoint:
        history.checkpoint(latest.standing(), NOW)
    history.append(publication, NOW)
    latest.update(publication)


def book_publication(offset: int, step: int) -> Publication:
    levels = (BookLevel(Decimal(step % 7), Decimal(step % 5)),)
    if offset == 1:
        return Publication(
            offset, BookSnapshot(**X, bids=(BookLevel(Decimal(3), Decimal(9)),), asks=(), sequence=offset)
        )
    return Publication(offset, BookDelta(**X, bids=levels, asks=(), sequence=offset, prev_sequence=offset - 1))


@given(
    st.lists(st.integers(0, 34), min_size=1, max_size=60), st.integers(1, 12), st.integers(-1, 61), st.integers(1, 9)
)
def test_a_book_can_be_rebuilt_from_any_cursor_on_and_from_any_page(steps, history_events, cursor, page):
    history, latest, truth = History(HubSettings(history_events=history_events), of_book=True), Latest(), {}
    plain = Book()
    for offset, step in enumerate(steps, 1):
        publication = book_publication(offset, step)
        plain.apply(publication.event)
        truth[offset] = plain.cut()
        keep(history, latest, publication)
    mine, known = Book(), -1
    if cursor in truth:
        mine.apply(BookSnapshot(**X, bids=truth[cursor][0], asks=truth[cursor][1]))
        known = cursor
    head = len(steps)
    at = cursor
    while publications := history.after(at)[:page]:
        for publication in publications:
            assert isinstance(publication.event, BookSnapshot) or publication.event.prev_sequence == known
            mine.apply(publication.event)
            at = known = publication.offset
            assert mine.cut() == truth[known]
    if len(history) and cursor < head:
        assert known == head
