"""Logging: one line a change of state, on stderr; for people on a terminal, JSON when piped. Never a token, never an event.

A log repeats words of vendors and clients: a refusal's reason, a user's name. None of them may end a line or steer a terminal.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure_logging(level: str) -> None:
    """Set up structlog for the process.

    Args:
        level: `debug`, `info`, `warning` or `error`; what is below is dropped. Behaviour never depends on it.
    """
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            harmless,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # looked up anew: whoever runs us may replace it
    )


def harmless(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Spell what cannot be printed (line breaks, escapes, reversed text) as Python would; of tracebacks keep the lines."""
    for name, value in line.items():
        if name == "exception" and isinstance(value, str):
            line[name] = "\n".join(map(_printable, value.split("\n")))
        else:
            line[name] = _harmless(value)
    return line


def _harmless(value: object) -> object:
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, dict):
        return {_printable(str(name)): _harmless(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_harmless(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else _printable(str(value))


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
