"""The broker's URL."""

import pytest

from bridge.broker.loader import open_log
from bridge.broker.memory import MemoryLog
from bridge.errors import ConfigError


def test_memory_is_an_engine():
    assert isinstance(open_log("memory:"), MemoryLog)


@pytest.mark.parametrize("url", ["redis://localhost", "memory", "memory:x", "", "Memory:"])
def test_any_other_url_is_refused_with_what_there_is(url):
    with pytest.raises(ConfigError, match=r'broker\.url.*"memory:"'):
        open_log(url)
