"""The TradingView API: SSE at `/sse/stream` and a WebSocket at `/ws`, both with a token minted from an API key, and REST."""

from bridge.dialects.tradingview.dialect import DIALECT

__all__ = ["DIALECT"]
