"""After a storm: everybody must be told the rest, every book must be the vendor's, and nobody may wait for ever."""

import trio

from tests.support.fault import AtTheDoor, Cut, Mute, Way
from tests.support.faults import FaultProxy
from tests.support.market import book_of
from tests.support.patient import Patient
from tests.support.scene import Scene
from tests.support.schedule import Planned

AGAIN_SECONDS = 8.0
"""After which everything is said once more to those who are still behind; the slowest poll takes five."""


async def strike(line: FaultProxy, planned: Planned) -> None:
    """Let a planned fault happen."""
    if isinstance(planned.fault, AtTheDoor):
        line.door.append(planned.fault)
        line.drop()
        return
    line.strike(planned.fault, planned.way)
    if isinstance(planned.fault, Mute):
        await trio.sleep(planned.seconds)
        line.strike(Cut())


def lift(stage: Scene) -> None:
    """End all faults; whatever is half dead or half told begins anew."""
    for line in [*stage.upstream.values(), *stage.downstream]:
        line.door.clear()
        line.always = None
        for way in Way:
            line.strike(None, way)
        line.drop()


async def grow_calm(stage: Scene, seconds: float) -> list[str]:
    """Say everything once more, until everybody has heard the newest of all that he asked for; return what is wrong."""
    with trio.move_on_after(seconds):
        while not _all_know(stage):
            if all(status == "live" for client in stage.clients for status in client.ledger.health.values()):
                stage.say_all()
            with trio.move_on_after(AGAIN_SECONDS):
                while not _all_know(stage):  # noqa: ASYNC110 - plain state
                    await trio.sleep(0.05)
    wrong = [sentence for client in stage.clients for sentence in client.ledger.wrong]
    for client in stage.clients:
        wrong += [f"{client.ledger.name} waits for {topic} still" for topic in behind(stage, client)]
        wrong += _wrong_books(stage, client)
    return wrong


def _all_know(stage: Scene) -> bool:
    return not any(behind(stage, client) for client in stage.clients)


def behind(stage: Scene, client: Patient) -> list[str]:
    """Return the topics of which a client does not know the newest."""
    said, ledger = stage.venue.market.said, client.ledger
    found = []
    for topic in ledger.topics.split(","):
        kind, _, instrument = topic.partition(":")
        newest = said[kind, instrument or "ANY"]
        if not newest or ledger.newest(topic) != newest:
            found.append(topic)
    return found


def _wrong_books(stage: Scene, client: Patient) -> list[str]:
    wrong = []
    for topic in client.ledger.topics.split(","):
        kind, _, instrument = topic.partition(":")
        number = stage.venue.market.said["book", instrument]
        if kind == "book" and client.ledger.books[topic].sides != book_of(number):
            wrong.append(
                f"{client.ledger.name}: {topic} ended as {client.ledger.books[topic].sides}, not as number {number}"
            )
    return wrong
