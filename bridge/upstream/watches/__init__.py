"""What looks after a feed's events beside their stream: orders compared, books repaired, silence looked into."""
