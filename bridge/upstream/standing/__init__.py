"""What a feed says about itself: its health, what it covers and was refused, and whether silence is staleness."""
