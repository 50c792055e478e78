"""Where recordings and documents are that are not part of the project; a test without them is skipped, in CI it fails."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def absent(reason: str) -> None:
    """Skip the test that is running; where CI is set, fail it: CI should have what it needs."""
    if os.environ.get("CI"):
        pytest.fail(f"CI lacks what this test needs: {reason}")
    pytest.skip(reason)


def recorded() -> Path:
    """Return the folder of recordings (BRIDGE_DATA, or ../shared/data)."""
    folder = Path(os.environ.get("BRIDGE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        absent(f"no recordings: neither BRIDGE_DATA nor {folder} is there")
    return folder
