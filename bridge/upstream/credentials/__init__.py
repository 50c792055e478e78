"""What lets a feed in at its vendor: where it comes from, and how it is replaced before it ends."""
