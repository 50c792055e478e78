"""The bridge's own endpoints: those that need no dialect's spelling of a request, with what is published of each.

They stand beside the canonical dialect's. `/healthz` and `/readyz` stand in every house, a simulator's too, and in no dialect.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta

from bridge.dialects.contract import Endpoint, EndpointKind, ErrorBody, Parameter, Place
from bridge.dialects.contract.published import CursorText, TopicText
from bridge.downstream.readiness import Liveness, ReadinessSaid
from bridge.downstream.requests.patch import Change, Changed
from bridge.downstream.requests.polling import DEFAULT_EVENTS, MAX_EVENTS, MAX_WAIT_SECONDS, PollPage
from bridge.downstream.requests.state import InstrumentsPage

_STATE: Final = EndpointKind.STATE

POLL: Final = Endpoint(
    kind=_STATE,
    path="/v1/poll",
    name="poll",
    about="The events of a stream, a page at a time; without `after` the state now",
    parameters=(
        Parameter(name="subscribe", about="the topics to poll", kind=tuple[TopicText, ...], required=True, many=True),
        Parameter(name="after", about="the cursor of the page before", kind=CursorText),
        Parameter(
            name="wait",
            about="seconds to wait for the first event, where `after` says since when",
            kind=Annotated[int, Meta(ge=0, le=int(MAX_WAIT_SECONDS))],
        ),
        Parameter(
            name="limit",
            about=f"events at most; {DEFAULT_EVENTS} if not said",
            kind=Annotated[int, Meta(ge=1, le=MAX_EVENTS)],
        ),
        Parameter(name="extra", about="whether quotes have the vendor's other fields", kind=bool),
    ),
    says=PollPage,
    refuses=ErrorBody,
)
STREAM: Final = Endpoint(
    kind=_STATE,
    path="/v1/stream/{stream}",
    method="PATCH",
    name="stream",
    about="Change an event stream that is open, all or nothing",
    parameters=(
        Parameter(
            name="stream",
            about="the name in the stream's first event",
            kind=Annotated[str, Meta(min_length=1)],
            place=Place.PATH,
            required=True,
        ),
    ),
    takes=Change,
    says=Changed,
    refuses=ErrorBody,
)
INSTRUMENTS: Final = Endpoint(
    kind=_STATE,
    path="/v1/instruments",
    name="instruments",
    about="The listed instruments that you may see something of, and what serves each",
    says=InstrumentsPage,
    refuses=ErrorBody,
)
OPENAPI: Final = Endpoint(
    kind=_STATE,
    path="/v1/openapi.json",
    name="openapi",
    about="This document",
    says=dict[str, Any],
    refuses=ErrorBody,
)
ASYNCAPI: Final = Endpoint(
    kind=_STATE,
    path="/v1/asyncapi.json",
    name="asyncapi",
    about="What is said and heard on streams, as AsyncAPI",
    says=dict[str, Any],
    refuses=ErrorBody,
)
HEALTHZ: Final = Endpoint(
    kind=_STATE, path="/healthz", name="healthz", about="Whether the process serves", says=Liveness, refuses=ErrorBody
)
READYZ: Final = Endpoint(
    kind=_STATE,
    path="/readyz",
    name="readyz",
    about="Whether no feed that is wanted is down",
    says=ReadinessSaid,
    refuses=ErrorBody,
)

OWN: Final = (POLL, STREAM, INSTRUMENTS, OPENAPI, ASYNCAPI)
"""What stands beside the canonical dialect's endpoints."""

HEALTH: Final[Mapping[str, Endpoint]] = {one.path: one for one in (HEALTHZ, READYZ)}
"""What stands in every house, by its path."""

OPEN: Final = frozenset({OPENAPI.path, ASYNCAPI.path, *HEALTH})
"""Paths that nobody needs a token for."""

TAGGED: Final = frozenset({"quote", "book", "trades", "bars", INSTRUMENTS.name, OPENAPI.name, ASYNCAPI.name})
"""Names of endpoints whose answers have an `ETag`."""
