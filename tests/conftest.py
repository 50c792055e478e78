"""What holds for every test: nothing that one of them configures in the process reaches the next."""

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_as_at_start():
    yield
    structlog.reset_defaults()
