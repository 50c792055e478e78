"""What `/readyz` tells: whether we are ready, and how each feed is."""

from typing import Annotated, Literal

import msgspec

from bridge.dialects.contract.published import ALWAYS
from bridge.model import FeedName


class FeedReadiness(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a feed is, for `/readyz`. `wanted` = some client wants something of it; without a `reason` all is well."""

    feed: FeedName
    status: str
    wanted: bool
    reason: str | None = None


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """What `/healthz` says while the process serves."""

    status: Annotated[Literal["ok"], ALWAYS] = "ok"


class ReadinessSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What `/readyz` says."""

    status: Literal["ready", "not ready", "closing"]
    feeds: tuple[FeedReadiness, ...]


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Ready when the log is reachable and no wanted feed is `down`."""

    ready: bool
    feeds: tuple[FeedReadiness, ...]
