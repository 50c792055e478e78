"""What an identity may see: globs over canonical topics, and accounts for orders.

`book.20:X` is judged as `book:X` and `bar.5m:X` as `bar:X`; `all:X` is judged part by part and cut to what is granted;
`order` follows the accounts and needs no topic; `status` is open to everyone who got in. What is not granted is refused
before anything is told about whether it exists.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from bridge.dialects.contract import Refusal
from bridge.downstream.contract import Granted, Identity, Resolve
from bridge.model import Code, Topic, TopicKind, Want

ALL_PARTS = (TopicKind.QUOTE, TopicKind.BOOK, TopicKind.TRADE)


def may_see(identity: Identity, topic: Topic) -> bool:
    """Whether the identity's globs and accounts cover a topic; `all:` is covered when any part is."""
    match topic.kind:
        case TopicKind.STATUS:
            return True
        case TopicKind.ORDER:
            return bool(identity.accounts) if topic.scope is None else topic.scope in identity.accounts
        case TopicKind.ALL:
            return any(may_see(identity, Topic(kind, topic.instrument)) for kind in ALL_PARTS)
        case TopicKind.QUOTE | TopicKind.TRADE | TopicKind.BOOK | TopicKind.BAR:
            spelled = f"{topic.kind}:{topic.instrument}"
            return any(fnmatchcase(spelled, glob) for glob in identity.topics)


def grant(identity: Identity, topics: Sequence[Topic], resolve: Resolve) -> tuple[Granted, ...]:
    """Say what serves each topic, in the order asked, doubles left out; all or nothing.

    Raises:
        Refusal: `forbidden`, or what `resolve` says.
    """
    return tuple(Granted(topic, _wants(identity, topic, resolve)) for topic in dict.fromkeys(topics))


def grant_orders(identity: Identity, resolve: Resolve) -> tuple[Granted, ...]:
    """Say what serves the orders of the accounts held; nothing when there are none. Never refuses."""
    try:
        return grant(identity, [Topic(TopicKind.ORDER)], resolve)
    except Refusal:
        return ()


def _wants(identity: Identity, topic: Topic, resolve: Resolve) -> tuple[Want, ...]:
    if not may_see(identity, topic):
        raise _forbidden(topic)
    try:
        wants = tuple(want for want in resolve(topic, identity.accounts) if may_see(identity, want.topic))
    except Refusal as refusal:
        if refusal.topic is None:
            refusal.topic = str(topic)
        raise
    if not wants and topic.kind is not TopicKind.STATUS:
        raise _forbidden(topic)
    return wants


def _forbidden(topic: Topic) -> Refusal:
    if topic.kind is TopicKind.ORDER:
        return Refusal(Code.FORBIDDEN, "you hold no account whose orders are served here", topic=str(topic))
    return Refusal(Code.FORBIDDEN, f"{topic} is not granted to you", topic=str(topic))
