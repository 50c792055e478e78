"""Liquidity.io: SSE at `/api/realtime`, the legacy WebSocket at `/ws`, and REST for polling; see `docs` of the vendor."""

from bridge.dialects.liquidity.dialect import DIALECT

__all__ = ["DIALECT"]
