"""Seeded mutation of samples: what a network, a bug or an enemy may make of a message that was right.

Nothing here is left to chance that the seed does not decide. Tokens (numbers, strings, words, brackets) are replaced as often
as bytes, since a message that no parser reads past its first byte shows nothing of what lies behind.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import Final

MAX_INPUT_BYTES: Final = 65_536
"""No mutation is longer; one byte more teaches nothing, and the limits of transports are lower or tested elsewhere."""

TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|[A-Za-z_]+|[\[\]{}:,=.&|%/;-]')

NUMBERS: Final[tuple[bytes, ...]] = (
    *(b"0 -0 0.0 1 -1 7 1e5 1E-8 1e999 -1e999 1e-400 1e31 1e30 0e999999999 0.1 123.456000 0.00000001 1.5e3".split()),
    *(b"9223372036854775807 9223372036854775808 -9223372036854775809 18446744073709551616 253402300800000".split()),
    *(b"1773880484 1773880484123 1773880484123456 NaN Infinity -Infinity 01 1. .5 +1 1_000 0x10".split()),
    b"9" * 40,
    b"9" * 41,
    b"0." + b"0" * 30 + b"1",
    b"1" * 5_000,
)
"""Numbers that are none, that are too long, too large, too small, or that are not what they seem; a few are good."""

STRINGS: Final[tuple[bytes, ...]] = (
    *(b'"AAPL" "BTC-USD" "COINBASE:BTCUSD" "quote" "trade" "order" "book" "__class__" "buy" "SELL" "true"'.split()),
    *(b'"1.5" "0" "-0.0" "1e5" "1E-8" "1e400000000" "NaN" "-Infinity" "1_000" "" " 1" "1h" "5" "1D" "*"'.split()),
    *(b'"quote:AAPL" "trade:BTC-USD" "book.20:AAPL" "bar.5m:AAPL" "all:AAPL" "status" "book.0:A" "bar.7m:A"'.split()),
    *(b'"epoch1-7" "epoch1-99999999999999999999" "-" "2026-03-19T00:34:44.123456789Z" "2026-02-30T99:00:00Z"'.split()),
    *(b'"0000-01-01T00:00:00Z" "9999-12-31T23:59:59.999999999+23:59" "1969-12-31T23:59:59Z"'.split()),
    b'"' + b"a" * 5_000 + b'"',
    b'"\xd9\xa1\xd9\xa2"',  # digits that Python's int and Decimal take, in Arabic
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\\u0000"',
    b'"a\\nb"',
    b'"a\\r\\ndata: x\\n\\n"',
    b'"\\u2028\\u2029"',
    b'"\\u202e\\u2066"',
    b'"\\u001b[2J"',
    b'"</script>"',
)
"""Texts that mean something elsewhere, that are too long, or that break lines, terminals, pages or encodings."""

SHAPES: Final[tuple[bytes, ...]] = (
    *(b'null true false [] {} [[]] [{}] [null] {"":null} [[],[]] ["1"] [["1","2"]] [["1"]] [[1,2,3]]'.split()),
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b"[" * 200 + b"]" * 200,
)
"""Values of another type."""

PIECES: Final[tuple[bytes, ...]] = (
    *(b"\x00 \r \r\n\r\n \xef\xbb\xbf \xff\xfe \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \x1b[2J".split(b" ")),
    b"\n",
    "\u2028".encode(),
    "\u202e".encode(),
    *(b"%00 %0d%0a % %ff %2e%2e * .. ../../ , ; : :: = & ? # @ \\ ' < order status quote: all:AAPL".split()),
)
"""Bytes between tokens."""

HOSTILE: Final = (*NUMBERS, *STRINGS, *SHAPES, *PIECES)


class Sample:
    """Something that was right, and where its tokens are."""

    __slots__ = ("data", "spans")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.spans = [match.span() for match in TOKEN.finditer(data[:8_192])]


class Mutator:
    """Makes one input after the other.

    Args:
        random: decides everything.
        samples: at least one; recorded or documented.
    """

    def __init__(self, random: Random, samples: Sequence[Sample]) -> None:
        self._chance = random.random
        self._bytes = random.randbytes
        self._samples = samples
        self._changes = (
            self._token,
            self._token,
            self._token,
            self._token,
            self._token,
            self._swap,
            self._swap,
            self._drop,
            self._repeat,
            self._overwrite,
            self._insert,
            self._cut,
            self._splice,
        )

    def next(self) -> bytes:
        """Return a sample with a change or some; now and then none, or any bytes at all."""
        chance = self._chance
        sample = self._pick(self._samples)
        dice = chance()
        if dice < 0.02:
            return sample.data
        if dice < 0.04:
            return self._bytes(self._below(80))
        data = self._pick(self._changes)(sample.data, sample.spans)
        while chance() < 0.25:
            # Tokens are looked for once a sample; after a change they are about where they were, which is good enough.
            data = self._pick(self._changes)(data, sample.spans)
        return data[:MAX_INPUT_BYTES]

    def _below(self, bound: int) -> int:
        return int(self._chance() * bound)

    def _pick(self, of: Sequence):
        return of[int(self._chance() * len(of))]

    def _span(self, data: bytes, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
        if spans:
            return self._pick(spans)
        start = self._below(len(data) + 1)
        return start, start + self._below(8)

    def _token(self, data: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
        """Replace a token, mostly by one of its kind: so what lies behind the first check is reached too."""
        start, end = self._span(data, spans)
        first = data[start : start + 1]
        kind = STRINGS if first == b'"' else NUMBERS if first.isdigit() or first == b"-" else HOSTILE
        return data[:start] + self._pick(kind if self._chance() < 0.8 else HOSTILE) + data[end:]

    def _swap(self, data: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
        start, end = self._span(data, spans)
        other_start, other_end = self._span(data, spans)
        return data[:start] + data[other_start:other_end] + data[end:]

    def _drop(self, data: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
        start, end = self._span(data, spans)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
        start, _ = self._span(data, spans)
        _, end = self._span(data, spans)
        times = 1 + self._below(3) if self._chance() < 0.9 else 100
        return data[:end] + data[start:end] * times + data[end:]

    def _overwrite(self, data: bytes, _: Sequence[tuple[int, int]]) -> bytes:
        at = self._below(len(data) + 1)
        junk = self._bytes(1 + self._below(3))
        return data[:at] + junk + data[at + len(junk) :]

    def _insert(self, data: bytes, _: Sequence[tuple[int, int]]) -> bytes:
        at = self._below(len(data) + 1)
        return data[:at] + self._pick(HOSTILE) + data[at:]

    def _cut(self, data: bytes, _: Sequence[tuple[int, int]]) -> bytes:
        return data[: self._below(len(data) + 1)]

    def _splice(self, data: bytes, _: Sequence[tuple[int, int]]) -> bytes:
        other = self._pick(self._samples).data
        return data[: self._below(len(data) + 1)] + other[self._below(len(other) + 1) :]
