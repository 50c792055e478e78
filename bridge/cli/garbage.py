"""The garbage collector, told what kind of process this is: most of what lives, lives long, and a pause is a late event.

Python's own thresholds suit programs that make circles all the time. Here history keeps hundreds of thousands of events that can
be in none, and a thousand streams some hundred thousand objects that live for hours; with the defaults all of them were gone
through again and again while clients connected and events piled up, 150 ms each time. So the oldest are hardly ever looked at.

The young are looked at in small lots, for the length of a pause is the size of its lot: with lots of 50,000 a thousand
connections that came and went made pauses of up to 20 ms, with these hardly one is longer than two. What is freed counts
against what is made, so where as many come as go a lot is some times larger than its number. Connections and streams leave
nothing behind that only a collection could free; a circle that grew old is freed when ten million objects have been made.
"""

import gc

YOUNG = 300
"""Containers made, less those freed, before the youngest are looked at; 0.1 ms of looking."""

MIDDLE = 3
OLD = 8_000
"""How many lots of the younger generation make one of the next."""


def collect_rarely() -> None:
    """Set the collector up for a long life; called once, when everything is imported and nothing runs yet."""
    gc.collect()
    gc.freeze()  # modules and classes stay for ever: not to be looked at again
    gc.set_threshold(YOUNG, MIDDLE, OLD)
