"""Dialects: how each party spells market data, one folder each, all of the same shape; see `contract`."""
