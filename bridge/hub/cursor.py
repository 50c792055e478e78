"""`<epoch>-<offset>`: a client's place in the log, one spelling on SSE `id:`, WebSocket resume and `?after=`.

Clients treat it as opaque; this file is the only one that reads or writes it.
"""

import re
from typing import NamedTuple, Self

_SPELLING = re.compile(r"([a-z0-9]{1,32})-(0|[1-9][0-9]{0,18})", re.ASCII)
"""Bounded, because it comes from clients: 19 digits hold every signed 64-bit offset."""


class Cursor(NamedTuple):
    """A place in one life of the log: everything up to and including `offset`.

    Attributes:
        epoch: the life's name, lower-case letters and digits.
        offset: 0 = before the first publication.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cursor.

        Raises:
            ValueError: it is none; the sentence is fit for the client.
        """
        match = _SPELLING.fullmatch(text)
        if match is None:
            msg = f"no cursor: {text[:60]!r}; take the id of an event you received, as it was"
            raise ValueError(msg)
        return cls(match[1], int(match[2]))
