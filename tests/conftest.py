"""What holds for every test: nothing that one of them configures in the process reaches the next, and nothing fails by time."""

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("feedbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("feedbridge")


@pytest.fixture(autouse=True)
def _logging_as_at_start():
    yield
    structlog.reset_defaults()
