"""What a request asks for that cannot be given, told before any work is done for it. Plain functions over its headers and query.

The rule (RFC 9110 §12): who says that it cannot take what there is, and would be lost with it, is told 406; everybody else gets
what there is. So only an event stream minds `Accept`: its answer has no end for which who expects something else could wait. A
body must be what it is said to be. Only our own endpoints are so exact; at a vendor's a client is served as it always was.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

from bridge.dialects.contract import Endpoint, EndpointKind, Place
from bridge.dialects.contract.published import TRUTHS
from bridge.downstream.requests.incoming import Arrival

_WEIGHT: Final = re.compile(r"0(\.0{0,3})?\s*$")
_JSON: Final = re.compile(r"application/(json|[\w.+-]+\+json)\s*(;.*)?", re.IGNORECASE)
_EVENT_STREAM: Final = ("text/event-stream", "text/*", "*/*")


class Objection(NamedTuple):
    """Why a request is not served; `headers` say what would be."""

    status: HTTPStatus
    message: str
    headers: tuple[tuple[str, str], ...] = ()


def mistaken(endpoint: Endpoint, query: Mapping[str, Sequence[str]]) -> Objection | None:
    """Object to a parameter with two values where one is meant, and to a yes or no that is neither.

    Which of the two is meant nobody can know. What is not among an endpoint's parameters is passed over: gateways and caches add
    keys of their own, and a newer client may have more wishes than we know.
    """
    for parameter in endpoint.parameters:
        values = query.get(parameter.name, ()) if parameter.place is Place.QUERY else ()
        if not parameter.many and len(set(values)) > 1:
            return Objection(HTTPStatus.BAD_REQUEST, f"{parameter.name} stands twice, with different values")
        if parameter.kind is bool and not TRUTHS.keys() >= set(values):
            return Objection(HTTPStatus.BAD_REQUEST, f"{parameter.name} is true or false")
    return None


def objection(endpoint: Endpoint, came: Arrival) -> Objection | None:
    """Object to a request to one of our own endpoints; None to serve it."""
    headers = came.headers
    accepts = weights(headers.get("accept", ""))
    if endpoint.kind is EndpointKind.SSE and not _takes(accepts, _EVENT_STREAM):
        message = "this is a text/event-stream, which Accept rules out; for JSON there is /v1/poll"
        return Objection(HTTPStatus.NOT_ACCEPTABLE, message)
    if not _takes_as_it_is(weights(headers.get("accept-encoding", ""))):
        return Objection(HTTPStatus.NOT_ACCEPTABLE, "answers are not encoded, which Accept-Encoding rules out")
    return _unreadable(headers) if endpoint.takes is not None and endpoint.kind is EndpointKind.STATE else None


def _unreadable(headers: Mapping[str, str]) -> Objection | None:
    """Object to a body that says it is something else than plain JSON; one that says nothing is looked at."""
    kind = headers.get("content-type", "").strip()
    if kind and _JSON.fullmatch(kind) is None:
        message = "the body is to be JSON: send Content-Type: application/json"
        return Objection(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, (("accept-patch", "application/json"),))
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        message = "the body is to be sent as it is, without Content-Encoding"
        return Objection(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, (("accept-encoding", "identity"),))
    return None


def weights(value: str) -> dict[str, bool]:
    """Return each member of an `Accept…` list with whether its weight is more than 0."""
    found: dict[str, bool] = {}
    for member in value.split(","):
        name, *parameters = (part.strip() for part in member.lower().split(";"))
        if name:
            weight = next((one.partition("=")[2] for one in parameters if one.partition("=")[0].strip() == "q"), "1")
            found[name] = _WEIGHT.match(weight.strip()) is None
    return found


def _takes(accepts: Mapping[str, bool], ranges: tuple[str, ...]) -> bool:
    """Whether the most exact range that is named has a weight; who names none takes everything."""
    return next((accepts[one] for one in ranges if one in accepts), not accepts)


def _takes_as_it_is(encodings: Mapping[str, bool]) -> bool:
    """Whether an answer without any encoding is taken: unless that is ruled out by name, or with everything unnamed (§12.5.3)."""
    return encodings.get("identity", encodings.get("*", True))
