"""A feed over several transports, of which one serves: falling, climbing, and nothing lost or told twice between."""
