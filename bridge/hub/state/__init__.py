"""What the log's publications have led to: each topic's history, newest state and coverage, and what a join is handed."""
