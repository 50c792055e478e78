"""Logging: one line a change of state, on stderr; for people on a terminal, JSON when piped. Never a token, never an event."""

import logging
import sys

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
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # looked up anew: whoever runs us may replace it
    )
