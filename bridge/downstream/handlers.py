"""Who serves which endpoint: the real handlers, or a test's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.dialects.contract import Endpoint, EndpointKind
from bridge.downstream.contract import Exchange, House
from bridge.downstream.outlets.outlet import Receive, Scope, Send
from bridge.downstream.requests.control import Handler
from bridge.downstream.requests.endpoints import ASYNCAPI, INSTRUMENTS, OPENAPI, POLL, STREAM
from bridge.downstream.requests.mint import mint
from bridge.downstream.requests.patch import patch
from bridge.downstream.requests.polling import poll
from bridge.downstream.requests.state import instruments, state
from bridge.downstream.specs.documents import tell_asyncapi, tell_openapi
from bridge.downstream.streams.sse import head_of_sse, serve_sse
from bridge.downstream.streams.websocket import serve_websocket

StreamHandler = Callable[[House, Exchange, Scope, Receive, Send], Awaitable[None]]
"""Serves one stream until it has ended or its client is gone; raises `Refusal` only before its first word."""


@dataclass(frozen=True, kw_only=True)
class Handlers:
    """Who serves what; by default the real ones."""

    sse: StreamHandler = serve_sse
    sse_head: StreamHandler = head_of_sse
    websocket: StreamHandler = serve_websocket
    poll: Handler = poll
    patch: Handler = patch
    instruments: Handler = instruments
    state: Handler = state
    mint: Handler = mint
    openapi: Handler = tell_openapi
    asyncapi: Handler = tell_asyncapi

    def answering(self, endpoint: Endpoint) -> Handler:
        """Return who answers an endpoint that is one question and one answer."""
        own = {
            POLL.path: self.poll,
            INSTRUMENTS.path: self.instruments,
            STREAM.path: self.patch,
            OPENAPI.path: self.openapi,
            ASYNCAPI.path: self.asyncapi,
        }
        return own.get(endpoint.path) or (self.mint if endpoint.kind is EndpointKind.MINT else self.state)
