"""Topics kept subscribed on connections that come and go: planned, opened one by one, handed over without loss."""
