"""What every test has: the process as it was at the start, the vendors' own pages where they are; nothing fails by time.

And a rule: nothing that a test makes us write (logs, output, warnings; of our processes too) may hold a secret of that test.
"""

import os
from pathlib import Path

import pytest
import structlog
import trio.testing
from hypothesis import HealthCheck, settings

from tests.support import watched_secrets
from tests.support.data import ROOT, absent

settings.register_profile("feedbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("feedbridge")


watched_secrets.watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail a test that passed but has written a secret of its own."""
    report = yield
    if report.passed:
        written = "\n".join(text for _, text in report.sections)
        leaked = watched_secrets.found_in(written)
        if leaked:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} ({call.when}): {len(leaked)} of its secrets stand in what it has written"
    if call.when == "teardown":
        watched_secrets.forget()
    return report


@pytest.fixture(autouse=True)
def _logging_as_at_start():
    yield
    structlog.reset_defaults()


@pytest.fixture
def loopback_clock():
    """Virtual time for real sockets, as long as both ends are in this process and none of its threads takes part.

    What was written to the loopback is there to be read when the write returns. So when every task waits and the kernel has
    nothing for us, nothing is under way, and the clock may jump; the threshold is a margin.
    """
    return trio.testing.MockClock(autojump_threshold=0.001)


@pytest.fixture
def vendor_page():
    """Return a function that reads a vendor's page by the beginning of its file's name."""

    def read(prefix: str) -> str:
        folder = Path(os.environ.get("BRIDGE_VENDOR_DOCS") or ROOT.parent / "shared" / "vendor-docs")
        found = sorted(folder.glob(f"{prefix}*.txt"))
        if not found:
            absent(f"no page {prefix}*.txt: neither in BRIDGE_VENDOR_DOCS nor in {folder}")
        return found[0].read_text(encoding="utf-8")

    return read
