"""The bench as a user runs it, made tiny: the figures are only asked to be possible, never to be good."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.bench.results import Measurement, Report
from bridge.bench.workloads import WORKLOADS

ROOT = Path(__file__).parent.parent.parent
PATIENCE_SECONDS = 120
"""A bound, not an expectation."""

pytestmark = pytest.mark.skipif(not hasattr(__import__("select"), "epoll"), reason="the load needs epoll")


def bench(*arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == expected, done.stderr
    return done


def measured(*arguments: str) -> list[dict]:
    report = json.loads(bench(*arguments, "--clients", "4", "--seconds", "0.5", "--json").stdout)
    assert set(report) == set(Report.__struct_fields__)
    assert report["machine"]["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    for one in report["measurements"]:
        assert set(one) == set(Measurement.__struct_fields__)
        if Path("/proc/self/stat").exists():
            assert one["bridge_cpu"] >= 0
            assert one["bridge_rss_bytes"] > 1_000_000
    return report["measurements"]


def test_every_client_gets_everything_that_the_vendor_sent_on_each_transport():
    ways = measured("--workload", "transports", "--rate", "200")
    assert [one["way"] for one in ways] == ["sse", "websocket", "http2", "sse-tls", "websocket-tls", "http2-tls"]
    for one in ways:
        assert one["delivered"] == one["due"] > 0
        assert one["delivered"] % one["clients"] == 0
        assert 0 < one["p50_ms"] <= one["p99_ms"]
        assert one["event_bytes"] > 100
    assert ways[0]["figures"]["of sse"] == 1


def test_clients_that_stop_reading_are_counted_by_themselves():
    none, tenth = measured("--workload", "slow-clients", "--rate", "500")
    assert (none["clients"], none["stalled"]) == (4, 0)
    assert (tenth["clients"], tenth["stalled"]) == (0, 4)  # the first ten of each hundred, and there are but four
    assert none["delivered"] == none["due"] > 0


def test_a_hostile_peer_is_counted_and_no_client_of_the_load_is_cut():
    before, stormy, after = measured("--workload", "hostile", "--rate", "200")
    assert before["figures"] == after["figures"] == {}
    assert stormy["figures"]["hostile connections"] > 50
    assert stormy["figures"]["closed"] > 0
    assert stormy["figures"]["clients cut"] == 0
    assert stormy["figures"]["p99 against the calms' mean"] > 0
    assert stormy["delivered"] == stormy["due"] > 0


def test_a_storm_of_returning_clients_costs_no_event_and_no_upstream_call():
    (storm,) = measured("--workload", "resume-storm")
    assert storm["delivered"] == storm["due"] > 0
    assert storm["figures"]["resumed"] == storm["clients"] == 4
    assert storm["figures"]["upstream calls"] == 0
    assert storm["figures"]["gaps"] == 0
    assert storm["figures"]["clients with another count"] == 0


def test_what_has_no_deliveries_says_what_it_is_about_instead():
    idle, ingest, latency = measured("--workload", "idle", "ingest", "latency")
    assert idle["figures"]["open seconds"] > 0
    assert ingest["events_in"] > 0
    assert (latency["clients"], latency["topics"]) == (1, 1)


def test_the_table_names_workloads_sizes_and_rates():
    shown = bench("--workload", "latency", "--seconds", "0.5").stdout
    for word in ("latency sse", "1 x 1 of 1", "all", "p50 / p99 ms", "RSS"):
        assert word in shown
    if hasattr(os, "sched_getaffinity"):
        assert f"{len(os.sched_getaffinity(0))} cores" in shown


def test_a_workload_that_does_not_exist_is_a_mistake_in_usage():
    done = bench("--workload", "everything", "--seconds", "0", expected=2)
    assert all(name in done.stderr for name in WORKLOADS)
    assert "--seconds" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminated_bench_leaves_no_process_behind():
    command = [sys.executable, "-m", "bridge", "bench", "--workload", "idle", "--clients", "4", "--seconds", "60"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        children = await_children(process.pid, 3)
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def await_children(parent: int, count: int) -> list[int]:
    """Wait until a process has so many of its own; returns their numbers."""
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    until = time.monotonic() + PATIENCE_SECONDS
    while len(pids := listed.read_text().split()) < count:
        assert time.monotonic() < until
        time.sleep(0.05)
    return [int(pid) for pid in pids]
