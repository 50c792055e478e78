"""JSON compared digit for digit: `249.50` is not `249.5`, and `100` is not `1E+2`."""

import json
from decimal import Decimal


def exact_json(data: bytes) -> object:
    """Read JSON so that two documents are equal only when their numbers have the same digits and exponents."""
    return json.loads(data, parse_float=_digits, parse_int=_digits)


def _digits(text: str) -> tuple[str, object]:
    return ("number", Decimal(text).as_tuple())
