"""The upstream wing: what is connected to the vendors. It is handed `publish` and told the interest; it knows no hub."""
