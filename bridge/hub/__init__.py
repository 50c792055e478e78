"""The middle: one ordered log of events with what is derived from it. `hub.Hub` is its face; `contract` the log's."""
