"""The way in: what vendors say becomes what stands in the log, put together, derived, and looked at for doubt."""
