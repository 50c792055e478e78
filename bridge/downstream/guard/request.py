"""What the guard makes of an HTTP/2 request's header block before anybody else sees it.

h2 judges it too, and ends the whole connection for what it does not like. RFC 9113 §8.1.1 has a malformed request end its own
stream; and one without `:authority` is not malformed at all (§8.3.1): `Host` says the same, and one that has neither is
answered as over HTTP/1.1 (RFC 9110 §7.2: 400). So h2 is told not to judge, and its own rules are asked here instead.
"""

from collections.abc import Sequence

import h2.exceptions
from h2.utilities import HeaderValidationFlags, validate_headers

Headers = Sequence[tuple[bytes, bytes]]

_REQUEST = HeaderValidationFlags(is_client=False, is_trailer=False, is_response_header=False, is_push_promise=False)


def is_readable(headers: Headers) -> bool:
    """Whether a request has what HTTP needs and Hypercorn reads: a method and a path, both ASCII, a host, and no CONNECT."""
    known = dict(headers)
    method, path = known.get(b":method", b""), known.get(b":path", b"")
    host = known.get(b":authority") or known.get(b"host")
    return bool(method and path and host) and method.isascii() and path.isascii() and method.upper() != b"CONNECT"


def is_malformed(headers: Headers) -> bool:
    """Whether a request that can be read breaks HTTP/2's rules for header blocks."""
    try:
        for _ in validate_headers(headers, _REQUEST):
            pass
    except h2.exceptions.ProtocolError:
        return True
    return False
