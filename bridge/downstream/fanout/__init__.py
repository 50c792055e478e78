"""Publications to bytes, and bytes to all streams: made once, joined, and written by one task."""
