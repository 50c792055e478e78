"""What a stream is accepted with, and what follows from it before its first byte."""

import msgspec

from bridge.dialects.contract import Conversation, EncoderOptions, Transport
from bridge.dialects.contract.published import TRUTHS
from bridge.downstream.contract import Exchange, House, Identity, PeerConnection
from bridge.downstream.fanout.codec import Codec
from bridge.downstream.settings import LimitSettings


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream was accepted with.

    Attributes:
        conversation: the server's side of its protocol.
        limits: what holds for this user here.
        peer: the network connection; None when the server under us has none to hang up.
    """

    house: House
    exchange: Exchange
    identity: Identity
    transport: Transport
    conversation: Conversation
    limits: LimitSettings
    peer: PeerConnection | None


def codec_of(terms: Terms, wording: str = "") -> Codec:
    """Return what makes a stream's bytes, in one of its party's wordings; "" = the ordinary one."""
    served = terms.exchange.served
    options = msgspec.structs.replace(options_of(terms.exchange), wording=wording)
    return terms.house.codecs.of(served.dialect, served.symbols, terms.transport, options)


def options_of(exchange: Exchange) -> EncoderOptions:
    """Return what a request asks of the encoder: `?extra=true`."""
    return EncoderOptions(extra=any(TRUTHS.get(value) for value in exchange.request.query.get("extra", ())))


def heartbeat_seconds(terms: Terms) -> float:
    """Return how long this stream may be silent; 0 = for ever.

    The operator's word for the dialect decides; without one what the party itself does, whose clients may count on that; and
    `[limits]` where a party has no habit of its own.
    """
    served = terms.exchange.served
    if served.settings.heartbeat_seconds is not None:
        return served.settings.heartbeat_seconds
    return served.dialect.profile.heartbeat_seconds.get(terms.transport, terms.limits.heartbeat_seconds)


def padding_bytes(terms: Terms) -> int:
    """Return how long a comment follows each write of this stream; only an event stream has a word that means nothing."""
    return terms.house.listen.padding_bytes if terms.transport is Transport.SSE else 0


def skips_trades(terms: Terms) -> bool:
    """Return whether a client that lags too far is skipped ahead, with a gap, rather than sent away.

    Where the dialect has no word for a gap, it never is.
    """
    return terms.limits.slow_trades == "gap" and terms.exchange.served.dialect.profile.declares_gaps


def told_limits(limits: LimitSettings, transport: Transport) -> dict[str, int]:
    """Return what `stream.limits` says: the counts that hold for this connection, 0 = unlimited."""
    told = {"subscriptions_per_connection": limits.subscriptions_per_connection}
    if transport is Transport.WEBSOCKET:
        told["websocket_connections_per_user"] = limits.websocket_connections_per_user
        told["inbound_messages_per_second"] = int(limits.inbound_messages_per_second)
    else:
        told["sse_connections_per_user"] = limits.sse_connections_per_user
    return told
