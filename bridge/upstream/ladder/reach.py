"""What of some topics a transport can bring: by itself, or as what they are made of."""

from bridge.dialects.contract import Dialect, SymbolTable, Transport
from bridge.model import Topic
from bridge.upstream.derivable import sources_of
from bridge.upstream.roster import call_roll


class Reach:
    """One vendor's.

    Args:
        dialect: says what each transport carries.
        symbols: the dialect's.
    """

    def __init__(self, dialect: Dialect, symbols: SymbolTable) -> None:
        self._dialect = dialect
        self._symbols = symbols

    def carried(self, topics: frozenset[Topic], transport: Transport) -> frozenset[Topic]:
        """Return what of some topics a transport carries."""
        return frozenset(call_roll(topics, self._dialect, self._symbols, transport).lanes)

    def needed(self, topics: frozenset[Topic], transport: Transport) -> frozenset[Topic]:
        """Return what a transport has to carry so that these can be had of it: what it lacks, the hub derives."""

        def has(topic: Topic) -> bool:
            return bool(self.carried(frozenset({topic}), transport))

        return frozenset(source for topic in topics for source in sources_of(topic, has))
