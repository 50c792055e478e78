"""What only the garbage collector could free."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[list[str]]:
    """Yield a list; afterwards it has the names of the types that the block left in circles, sorted."""
    gc.collect()
    gc.disable()
    names: list[str] = []
    try:
        yield names
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        names += sorted({f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
