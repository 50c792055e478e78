"""One measurement, always taken the same way.

The streams are open and everything is covered upstream before the vendor begins; a first second is left out of the figures;
after the end what is still on its way is waited for, and then delivered is held against due.
"""

import time
from collections.abc import Iterator, Sequence

import msgspec

from bridge.bench.crowd import Crowd, Scale
from bridge.bench.meter import cost_of, share
from bridge.bench.results import Measurement
from bridge.bench.rig import Rig

WARM_SECONDS = 1.0
SETTLE_SECONDS = 2.0
"""How long nothing may come before what is missing counts as lost."""


def ladder(crowd: Crowd, scale: Scale, rates: Sequence[float], p99_ms: float) -> Iterator[Measurement]:
    """Yield the run at the first rate and, if there is a higher one that was kept, the one at the highest."""
    with Rig() as rig:
        settle_in(rig, crowd, scale)
        first = best = run(rig, crowd, scale.rate or rates[0], scale)
        yield first
        for rate in rates[1:] if scale.rate is None else ():
            if not kept(best, p99_ms):
                break
            measured = run(rig, crowd, rate, scale)
            if not kept(measured, p99_ms):
                break
            best = measured
    if best is not first:
        yield msgspec.structs.replace(best, remark=f"the most with p99 ≤ {p99_ms:g} ms")


def kept(measured: Measurement, p99_ms: float) -> bool:
    """Whether a rate was one that the bridge can do, and that the vendor could send."""
    return measured.complete and measured.p99_ms is not None and measured.p99_ms <= p99_ms


def settle_in(rig: Rig, crowd: Crowd, scale: Scale) -> None:
    """Have everything subscribed upstream, and then every stream open."""
    scale.step(f"{crowd.workload} {crowd.way}: opening {len(crowd.topics):,} streams")
    rig.cover(crowd.all_topics)
    rig.open(crowd.way, [",".join(held) for held in crowd.topics], stalled_percent=crowd.stalled_percent)


def run(rig: Rig, crowd: Crowd, rate: float, scale: Scale) -> Measurement:
    """Have the vendor send at a rate and measure what the clients see of it."""
    scale.step(f"{crowd.workload} {crowd.way}: {rate:,g} events/s")
    start = rig.load.ask("report")["events"]
    rig.vendor.ask("start", rate=rate)
    time.sleep(min(WARM_SECONDS, scale.seconds))
    before, reading = rig.cost(), cost_of(rig.load.pid)
    first, at = rig.load.ask("clear")["events"], time.monotonic()
    time.sleep(scale.seconds)
    seen = rig.load.ask("report")
    seconds = time.monotonic() - at
    after, read = rig.cost(), cost_of(rig.load.pid)
    stopped = rig.vendor.ask("stop")
    due = crowd.due(stopped["sent"])
    rig.load.ask("settle", events=start + due, seconds=SETTLE_SECONDS)
    end = rig.load.ask("report")
    events = seen["events"] - first
    stalled = sum(map(crowd.stalled, range(len(crowd.topics))))
    return Measurement(
        workload=crowd.workload,
        way=crowd.way,
        clients=len(crowd.topics) - stalled,
        stalled=stalled,
        topics=len(crowd.all_topics),
        topics_per_client=len(crowd.topics[0]),
        events_in=sum(stopped["sent"].values()) / stopped["seconds"],
        event_bytes=round(seen["bytes"] / events) if events else None,
        seconds=seconds,
        due=due,
        delivered=end["events"] - start,
        delivered_per_second=events / seconds,
        p50_ms=end["p50_ms"],
        p99_ms=end["p99_ms"],
        bridge_cpu=share(before, after),
        load_cpu=share(reading, read),
        bridge_rss_bytes=after.rss_bytes,
        remark=f"{end['closed']} streams ended" if end["closed"] else "",
    )
