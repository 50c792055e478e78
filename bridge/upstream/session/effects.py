"""What follows from what a vendor says: the vocabulary between a session, which decides, and its link, which acts."""

import msgspec

from bridge.dialects.contract import CredentialEnding, Health, Passage
from bridge.model import Cause, Topic, UnixNanos, UpstreamEvent


class Emit(msgspec.Struct, frozen=True):
    """The vendor said this of a topic that we asked for."""

    event: UpstreamEvent
    topic: Topic


class Confirmed(msgspec.Struct, frozen=True):
    """From here on these topics are served completely; those in `continued` since the bookmark that the session came with."""

    topics: tuple[Topic, ...]
    continued: frozenset[Topic] = frozenset()


class Skipped(msgspec.Struct, frozen=True):
    """The vendor goes on with these, but something is missing."""

    topics: tuple[Topic, ...]
    reason: str
    cause: Cause = Cause.UPSTREAM


class Aside(msgspec.Struct, frozen=True):
    """What a vendor that is a bridge says of itself."""


class Passed(Aside, frozen=True):
    """These are the bridges that its events come by."""

    via: tuple[str, ...]


class Felt(Aside, frozen=True):
    """This is how its own feeds are; see `Health`."""

    said: Health


class Doubted(msgspec.Struct, frozen=True):
    """The vendor dropped these without being asked; they are being asked for again."""

    topics: tuple[Topic, ...]


class Declined(msgspec.Struct, frozen=True):
    """The vendor said no to a topic; it is no longer asked for on this session."""

    topic: Topic
    code: str
    message: str


class Say(msgspec.Struct, frozen=True):
    """Send these texts, in order; then, when `probe` is not empty, a ping whose pong confirms those topics."""

    texts: tuple[bytes, ...]
    probe: tuple[Topic, ...] = ()


class Expiring(msgspec.Struct, frozen=True):
    """The vendor says that our credential ends at `at`; None = now, or it did not say."""

    at: UnixNanos | None


class GiveUp(msgspec.Struct, frozen=True):
    """Nothing good will come of this session: close it and begin another."""

    reason: str


class Complaint(msgspec.Struct, frozen=True):
    """The vendor complains of something that ends neither a topic nor the connection."""

    code: str
    message: str


class Strange(msgspec.Struct, frozen=True):
    """The vendor said something of a kind that we do not know, for the first time."""

    kind: str


Effect = Complaint | Strange | Emit | Confirmed | Skipped | Passed | Felt | Doubted | Declined | Say | Expiring | GiveUp


def at_once(word: CredentialEnding | Passage | Health) -> Effect:
    """Return what follows from a word about the connection as a whole, whatever the session knows."""
    match word:
        case CredentialEnding(at):
            return Expiring(at)
        case Passage(via):
            return Passed(via)
        case Health():
            return Felt(word)
