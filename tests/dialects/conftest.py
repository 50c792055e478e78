"""Where the vendors' own pages are, for tests that hold our literal copies to them."""

import os
from pathlib import Path

import pytest

from tests.support.data import ROOT, absent


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
