"""What is measured: one function a workload, each on a rig of its own."""

import time
from collections.abc import Callable, Iterator

import msgspec

from bridge.bench.crowd import TOPICS, Crowd, Scale, many_topics_each, one_topic_each
from bridge.bench.meter import share
from bridge.bench.results import Measurement
from bridge.bench.rig import Rig
from bridge.bench.run import SETTLE_SECONDS, WARM_SECONDS, kept, ladder, run, settle_in
from bridge.bench.speech import Way

GONE_SECONDS = 1.0
"""How long the clients of the resume storm stay away."""

SLOW_P99_MS = 25.0
QUICK_P99_MS = 10.0
"""Past this 99th percentile a rate counts as more than the bridge can do: of one topic, and of many."""

SUSTAINED_P99_MS = 100.0
"""Past this one nothing is sustained any more, on any transport: events pile up."""

ONE_TOPIC_RATES = (200, 400, 800, 1_200, 1_600, 2_200, 2_800, 3_600, 4_500, 6_000, 8_000)
MANY_TOPICS_RATES = (1_000, 5_000, 10_000, 15_000, 20_000)
LATENCY_RATE = 100
SLOW_CLIENTS_RATE = 5_000
STORM_RATE = 1_000
HOSTILE_RATE = 1_000
ATTACKS_PER_SECOND = 334
"""With `--seconds 30`, ten thousand."""

INGEST_RATE = 400_000
"""More than the bridge takes: the vendor then sends as fast as it is read."""


def one_topic(scale: Scale) -> Iterator[Measurement]:
    """One topic for all: at 200 events/s, and the most at which the 99th percentile stays within 25 ms."""
    yield from ladder(one_topic_each(scale, "one-topic", Way.SSE), scale, ONE_TOPIC_RATES, SLOW_P99_MS)


def transports(scale: Scale) -> Iterator[Measurement]:
    """The most of one topic on each transport, and its share of what event streams over HTTP/1.1 reach."""
    base = None
    for way in Way:
        *_, best = ladder(one_topic_each(scale, "transports", way), scale, ONE_TOPIC_RATES, SUSTAINED_P99_MS)
        base = base or best.delivered_per_second
        yield msgspec.structs.replace(best, figures={"of sse": best.delivered_per_second / max(base, 1)})


def many_topics(scale: Scale) -> Iterator[Measurement]:
    """Fifty of five hundred topics for each, at each rate until the 99th percentile passes 10 ms."""
    crowd = many_topics_each(scale, "many-topics", 1_000)
    with Rig() as rig:
        settle_in(rig, crowd, scale)
        for rate in MANY_TOPICS_RATES if scale.rate is None else (scale.rate,):
            measured = run(rig, crowd, rate, scale)
            yield measured
            if not kept(measured, QUICK_P99_MS):
                return


def latency(scale: Scale) -> Iterator[Measurement]:
    """One client, one topic, 100 events/s: from the vendor's write to the client's read."""
    crowd = Crowd(workload="latency", way=Way.SSE, topics=[["trade:S0"]])
    with Rig() as rig:
        settle_in(rig, crowd, scale)
        yield run(rig, crowd, scale.rate or LATENCY_RATE, scale)


def idle(scale: Scale) -> Iterator[Measurement]:
    """Streams on which nothing happens: what each takes of memory, and how long they take to open."""
    crowd = one_topic_each(scale, "idle", Way.SSE, 5_000)
    with Rig() as rig:
        rig.cover(crowd.all_topics)
        rig.open(Way.SSE, ["trade:S0"])  # the first one pays for what is made once
        before = rig.cost()
        scale.step(f"idle: opening {len(crowd.topics):,} streams")
        opened = rig.open(Way.SSE, ["trade:S0"] * len(crowd.topics))
        time.sleep(min(scale.seconds, SETTLE_SECONDS))
        began = rig.cost()
        time.sleep(scale.seconds)
        after = rig.cost()
        figures = {"open seconds": opened["seconds"]}
        if before.rss_bytes is not None and after.rss_bytes is not None:
            figures["KiB each"] = (after.rss_bytes - before.rss_bytes) / 1024 / len(crowd.topics)
        yield Measurement(
            workload="idle",
            way=Way.SSE,
            clients=len(crowd.topics),
            topics=1,
            topics_per_client=1,
            seconds=scale.seconds,
            bridge_cpu=share(began, after),
            bridge_rss_bytes=after.rss_bytes,
            figures=figures,
        )


def slow_clients(scale: Scale) -> Iterator[Measurement]:
    """Many topics at 5,000 events/s with a tenth of the clients not reading, against the same with none of those."""
    base = None
    for stalled in (0, 10):
        crowd = many_topics_each(scale, "slow-clients", 1_000, stalled)
        with Rig() as rig:
            settle_in(rig, crowd, scale)
            first = run(rig, crowd, scale.rate or SLOW_CLIENTS_RATE, scale)
            last = run(rig, crowd, scale.rate or SLOW_CLIENTS_RATE, scale)
        figures = {}
        if base and last.p99_ms:
            figures["p99 against none"] = last.p99_ms / base
        if first.bridge_rss_bytes and last.bridge_rss_bytes:
            figures["RSS against a run before"] = last.bridge_rss_bytes / first.bridge_rss_bytes
        base = base or last.p99_ms
        yield msgspec.structs.replace(last, figures=figures)


def hostile(scale: Scale) -> Iterator[Measurement]:
    """Many topics at 1,000 events/s while one address opens silent, slow and malformed connections, between two calms."""
    crowd = many_topics_each(scale, "hostile", 500)
    rate = scale.rate or HOSTILE_RATE
    with Rig(guarded=True) as rig:
        settle_in(rig, crowd, scale)
        before = run(rig, crowd, rate, scale)
        yield before
        with rig.attacker() as attacker:
            ports = {"port": rig.port("http"), "tls_port": rig.port("https")}
            attacker.ask("attack", **ports, per_second=ATTACKS_PER_SECOND, seconds=scale.seconds + WARM_SECONDS)
            stormy = run(rig, crowd, rate, scale)
            attack = attacker.ask("report")
        after = run(rig, crowd, rate, scale)
        cut = rig.load.ask("report")["closed"]
    figures = {"hostile connections": attack["opened"], "closed": attack["closed"], "most open": attack["most"]}
    figures["clients cut"] = cut
    if before.p99_ms and stormy.p99_ms and after.p99_ms:
        figures["p99 against the calms' mean"] = 2 * stormy.p99_ms / (before.p99_ms + after.p99_ms)
    yield msgspec.structs.replace(stormy, figures=figures, remark="under attack")
    yield msgspec.structs.replace(after, remark="calm again")


def resume_storm(scale: Scale) -> Iterator[Measurement]:
    """All clients are dropped at once under 1,000 events/s and come back with their cursors."""
    crowd = many_topics_each(scale, "resume-storm", 2_000)
    with Rig() as rig:
        rig.cover(crowd.all_topics)
        rig.open(Way.SSE, [",".join(held) for held in crowd.topics], watchful=True)
        calls = rig.vendor.ask("status")["accepted"]
        scale.step(f"resume-storm: {len(crowd.topics):,} streams, dropped and back")
        rig.vendor.ask("start", rate=scale.rate or STORM_RATE)
        time.sleep(scale.seconds)
        rig.load.ask("drop")
        time.sleep(GONE_SECONDS)
        before = rig.cost()
        back = rig.load.ask("return")
        after = rig.cost()
        time.sleep(scale.seconds)
        stopped = rig.vendor.ask("stop")
        due = crowd.due(stopped["sent"])
        rig.load.ask("settle", events=due, seconds=SETTLE_SECONDS)
        report = rig.load.ask("report")
        calls = rig.vendor.ask("status")["accepted"] - calls
    wrong = sum(
        got != sum(stopped["sent"].get(topic.partition(":")[2], 0) for topic in held)
        for got, held in zip(report["by_client"], crowd.topics, strict=True)
    )
    yield Measurement(
        workload=crowd.workload,
        way=crowd.way,
        clients=len(crowd.topics),
        topics=len(crowd.all_topics),
        topics_per_client=len(crowd.topics[0]),
        events_in=sum(stopped["sent"].values()) / stopped["seconds"],
        seconds=scale.seconds * 2 + GONE_SECONDS,
        due=due,
        delivered=report["events"],
        delivered_per_second=report["events"] / stopped["seconds"],
        bridge_cpu=share(before, after),
        bridge_rss_bytes=after.rss_bytes,
        figures={
            "all live in seconds": back["seconds"],
            "resumed": back["resumed"],
            "upstream calls": calls,
            "gaps": report["gaps"],
            "clients with another count": wrong,
        },
    )


def ingest(scale: Scale) -> Iterator[Measurement]:
    """From the vendor's bytes to the log, with nobody subscribed: as fast as the bridge reads."""
    topics = [f"trade:S{number}" for number in range(TOPICS)]
    with Rig() as rig:
        rig.cover(topics)
        scale.step("ingest: as fast as it goes")
        rig.vendor.ask("start", rate=scale.rate or INGEST_RATE)
        time.sleep(WARM_SECONDS)
        before, first, at = rig.cost(), rig.head(), time.monotonic()
        time.sleep(scale.seconds)
        after, last, until = rig.cost(), rig.head(), time.monotonic()
        rig.vendor.ask("stop")
    cpu, rate = share(before, after), (last - first) / (until - at)
    yield Measurement(
        workload="ingest",
        way=Way.SSE,
        clients=0,
        topics=len(topics),
        topics_per_client=0,
        events_in=rate,
        seconds=until - at,
        bridge_cpu=cpu,
        bridge_rss_bytes=after.rss_bytes,
        figures={"events/s a core": rate / cpu} if cpu else {},
    )


WORKLOADS: dict[str, Callable[[Scale], Iterator[Measurement]]] = {
    "one-topic": one_topic,
    "many-topics": many_topics,
    "transports": transports,
    "latency": latency,
    "idle": idle,
    "slow-clients": slow_clients,
    "hostile": hostile,
    "resume-storm": resume_storm,
    "ingest": ingest,
}
"""By name, in the order in which they are run."""
