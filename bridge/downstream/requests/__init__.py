"""One question and one answer: a request's way from its scope to its endpoint, and the endpoints that answer at once."""
