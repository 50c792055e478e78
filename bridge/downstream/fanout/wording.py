"""A client that is told some topics in other words than most: the bytes of each come from the codec of those words.

So they are still made once for all who share a wording; only which of them a client gets is its own.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.downstream.fanout.codec import Codec
from bridge.hub.contract import Publication
from bridge.hub.hub import Hub
from bridge.model import Covered, FeedStatus, Gap, Topic, TopicRefused, Uncovered, topic_of

OF_NO_TOPIC = (Covered, FeedStatus, Gap, TopicRefused, Uncovered)
"""What is told in the ordinary words, whatever it is about."""


class Words(Protocol):
    """Turns publications into framed bytes: a `Codec`, or several of them mixed."""

    def encode(self, publication: Publication, hub: Hub) -> bytes:
        """Return the publication's; b"" when there is nothing to say."""
        ...

    def encode_all(self, publications: Sequence[Publication], hub: Hub) -> list[bytes]:
        """Return those of each."""
        ...

    def hides(self, publication: Publication) -> bool:
        """Whether it leaves a hole that would pass here in silence."""
        ...


class Mixed:
    """One client's codecs.

    Args:
        ordinary: of all topics that are not named.
        told: of those that are: all that it is told in, one after the other.
    """

    def __init__(self, ordinary: Codec, told: Mapping[Topic, Sequence[Codec]]) -> None:
        self._ordinary = ordinary
        self._told = told

    def encode(self, publication: Publication, hub: Hub) -> bytes:
        """Return the publication's bytes in every wording of its topic."""
        return b"".join([codec.encode(publication, hub) for codec in self._codecs_of(publication)])

    def hides(self, publication: Publication) -> bool:
        """Whether it leaves a hole that would pass here in silence."""
        return any(codec.hides(publication) for codec in self._codecs_of(publication))

    def encode_all(self, publications: Sequence[Publication], hub: Hub) -> list[bytes]:
        """Return those of each."""
        return [self.encode(publication, hub) for publication in publications]

    def _codecs_of(self, publication: Publication) -> Sequence[Codec]:
        event = publication.event
        told = None if isinstance(event, OF_NO_TOPIC) else self._told.get(topic_of(event))
        return (self._ordinary,) if told is None else told
