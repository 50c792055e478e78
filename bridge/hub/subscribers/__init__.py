"""One subscriber's place: what is pending for it, and what becomes of that when it lags or wishes to be slowed."""
