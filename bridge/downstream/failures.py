"""What a log may say of an error that should not have happened: its kind and where it arose.

Not its text, which may quote what a client sent, and never the values of variables, which some renderers print with a
traceback: a token would be among them.
"""

import traceback
from typing import Final

FRAMES: Final = 6
"""The innermost calls that are told: enough to see the way, too few to fill a log."""


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, however deep they are nested; of a single error itself."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for each in error.exceptions for leaf in leaves(each)]


def described(error: BaseException) -> list[str]:
    """Return a line for each error in it: its type and the innermost calls, the last being where it arose."""
    return [f"{type(leaf).__name__} at {_calls(leaf)}" for leaf in leaves(error)]


def _calls(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
