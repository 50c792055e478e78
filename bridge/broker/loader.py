"""The engine of a `[broker] url`, found by the URL's scheme. The next engine is one more file and one more row here."""

from collections.abc import Callable

from bridge.broker.memory import MemoryLog
from bridge.errors import ConfigError
from bridge.hub.contract import Log

ENGINES: dict[str, Callable[[], Log]] = {"memory": MemoryLog}
"""URL scheme → what opens it."""


def open_log(url: str) -> Log:
    """Open the log that a `[broker] url` names; `memory:` is one in this process, gone with it.

    Raises:
        ConfigError: there is no such engine; the sentence names those there are.
    """
    scheme, colon, rest = url.partition(":")
    engine = ENGINES.get(scheme)
    if engine is None or not colon or rest:
        known = ", ".join(f'"{name}:"' for name in ENGINES)
        msg = f"broker.url: no engine for {scheme[:20] + colon!r}; there is {known}"
        raise ConfigError(msg)
    return engine()
