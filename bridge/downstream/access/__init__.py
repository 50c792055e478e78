"""Who a peer is and what it may: tokens, keys, origins, entitlements and limits."""
