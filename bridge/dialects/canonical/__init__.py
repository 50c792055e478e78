"""Our own spelling of market data: what the contract promises to clients, and what one bridge reads from another."""

from bridge.dialects.canonical.dialect import DIALECT

__all__ = ["DIALECT"]
