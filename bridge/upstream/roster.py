"""Which wanted topics can stand where: each topic's lane, or why it has none."""

from collections.abc import Iterable

import msgspec

from bridge.dialects.contract import Dialect, Lane, SymbolTable, Transport
from bridge.model import Code, Topic


class Roster(msgspec.Struct, frozen=True):
    """What a plan begins with.

    Attributes:
        lanes: each topic that can be carried, with its lane.
        impossible: each that cannot, with the code and the sentence to refuse it with.
    """

    lanes: dict[Topic, Lane]
    impossible: dict[Topic, tuple[Code, str]]


def call_roll(wanted: Iterable[Topic], dialect: Dialect, symbols: SymbolTable, transport: Transport) -> Roster:
    """Sort topics by whether and where a transport can carry them."""
    roster = Roster({}, {})
    for topic in wanted:
        lane = dialect.lane(topic, transport)
        if lane is None:
            sentence = f"{dialect.name} has no {topic.kind} on {transport}"
            roster.impossible[topic] = (Code.UNSUPPORTED_TOPIC, sentence)
        elif topic.instrument is not None and not symbols.vendor_symbol(topic.instrument, transport):
            sentence = f"{dialect.name} has no symbol for {topic.instrument} on {transport}"
            roster.impossible[topic] = (Code.UNKNOWN_INSTRUMENT, sentence)
        else:
            roster.lanes[topic] = lane
    return roster
