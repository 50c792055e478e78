"""What operators look at: logs now; metrics and inspection with later issues. It is handed what it shows."""
