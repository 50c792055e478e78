"""Keeps one slot's topics subscribed: connects, reconnects with backoff, hands over to a new connection before closing the old.

Told what is wanted by plain functions; its one task brings what is to what is wanted, again and again.

A hand-over needs a second connection, so a feed makes one at a time. Where the vendor grants none to spare, the old
connection is closed first, and the break is declared. A hand-over that fails leaves the old connection speaking.
"""

import trio

from bridge.dialects.contract import Credential, Lane
from bridge.errors import BridgeError, TransportLost, VendorRefused
from bridge.model import Code, Topic
from bridge.upstream.bell import Bell
from bridge.upstream.session.bookmark import Bookmark
from bridge.upstream.session.effects import Aside, Confirmed, Declined, Effect, Emit, Expiring, Skipped
from bridge.upstream.slots.entrance import Entrance
from bridge.upstream.slots.handover import has_spare_place, succession
from bridge.upstream.slots.link import Link
from bridge.upstream.slots.narrowing import Narrowing, is_of_topics
from bridge.upstream.slots.overlap import AFTERMATH_SECONDS, Overlap
from bridge.upstream.slots.setbacks import Setbacks
from bridge.upstream.slots.tools import CarrierTools
from bridge.upstream.slots.voice import Voice


class Carrier:
    """One slot, alive.

    Args:
        number: the slot's.
        lane: what kind of connection.
        topics: what it is to carry.
        tools: the feed's.

    Attributes:
        topics: what it is to carry; the vendor's refusals are taken out.
        links: those that have not ended.
    """

    def __init__(self, number: int, lane: Lane, topics: frozenset[Topic], tools: CarrierTools) -> None:
        self.number = number
        self.lane = lane
        self.topics = topics
        self.links: list[Link] = []
        self._tools = tools
        self._entrance = Entrance(tools.keeper, tools.door)
        self._voice = Voice(tools.standing)
        self._bell = Bell()
        self._setbacks = Setbacks(tools.random)
        self._scope = trio.CancelScope()
        self._stale = self._suspect = self._outworn = self._renewed = False
        self._narrowing = Narrowing()
        self._live: Link | None = None
        self._bookmark: Bookmark | None = None

    @property
    def ready(self) -> bool:
        """Its speaking link is confirmed."""
        return self._voice.speaking is not None and self._voice.speaking.ready

    @property
    def confirmed(self) -> frozenset[Topic]:
        """What its speaking link has confirmed."""
        return self._voice.speaking.session.confirmed if self.ready and self._voice.speaking else frozenset()

    # ── from outside ──
    def carry(self, topics: frozenset[Topic]) -> None:
        """Carry exactly these from now on."""
        self.topics = topics
        self._bookmark = self._bookmark and self._bookmark.among(topics)  # what leaves may go on elsewhere
        self._bell.ring()

    def renew(self) -> None:
        """There is a new credential: move to a connection that uses it."""
        self._stale = self._renewed = True
        self._bell.ring()

    def anew(self, topic: Topic) -> None:
        """Have a topic said anew: asked for again where the transport allows it, else by moving to another connection."""
        link = self._voice.speaking
        if link is not None and link.ready and self._tools.link.profile.changeable:
            link.anew((topic,))
        else:
            self._outworn = True
            self._bell.ring()

    def refresh(self) -> None:
        """The connection is suspect of being deaf: move to another, if one can be had."""
        self._suspect = self._renewed = True
        self._bell.ring()

    def close(self, reason: str) -> None:
        """End; what it covered is uncovered at once."""
        self._voice.fall_silent(reason)
        self._scope.cancel()

    async def run(self) -> None:
        """Keep the topics subscribed until closed or cancelled; never raises for a vendor's fault."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                while True:
                    if await self._connect(nursery):
                        await self._keep(nursery)

    # ── one link ──
    async def _connect(self, nursery: trio.Nursery) -> bool:
        """Try once to have a confirmed link; when that fails, wait as long as the backoff says."""
        try:
            credential = await self._entrance.enter()
        except BridgeError as error:
            await self._failed(error)
            return False
        topics = self._narrowing.among(self.topics)
        link = self._start(nursery, topics, credential, self._bookmark)
        self._voice.speaking = link
        self._stale = self._suspect = self._outworn = False
        try:
            while not (link.ready or link.end is not None):
                await self._bell.wait()
        finally:
            self._entrance.left(link)
        if link.end is not None:
            another_choice = self._narrowing.refused(topics, self.topics, link.end)
            if self._live is None and self._tools.standing.connects:
                self._decline_alone(topics, link.end)
            await self._lost(link, another_choice=another_choice)
            return False
        self._narrowing.granted()
        self._is_live(link)
        return True

    def _start(
        self, nursery: trio.Nursery, topics: frozenset[Topic], credential: Credential | None, bookmark: Bookmark | None
    ) -> Link:
        link = Link(self._tools.next_name(), self._tools.session(self.lane), self._tools.link, self._hear)
        self.links.append(link)
        nursery.start_soon(link.run, topics, credential, bookmark)
        return link

    async def _keep(self, nursery: trio.Nursery) -> None:
        """Keep the speaking link as it should be, until it is lost or closed."""
        while (link := self._voice.speaking) is not None:
            if link.end is not None:
                await self._lost(link)
            elif self._must_move(link):
                await self._hand_over(nursery, link)
            else:
                if self._tools.link.profile.changeable:
                    self._change(link)
                await self._bell.wait()

    def _must_move(self, link: Link) -> bool:
        """A link whose credential ends, or whose topics cannot be changed but must, needs a successor."""
        changed = link.session.topics != self.topics and not self._tools.link.profile.changeable
        return bool(self.topics) and (self._stale or self._suspect or self._outworn or changed)

    def _change(self, link: Link) -> None:
        link.drop(link.session.topics - self.topics)
        link.add(self.topics - link.session.topics)
        self._voice.cover("unsubscribed")

    async def _lost(self, link: Link, *, another_choice: bool = False) -> None:
        error = link.end or TransportLost(f"{link.name}: it ended")
        self._voice.fall_silent(str(error))
        self._entrance.blame(link, error)
        await self._failed(error, another_choice=another_choice)

    async def _failed(self, error: BridgeError, *, another_choice: bool = False) -> None:
        self._tools.standing.failed(error, another_is_live=self._tools.another_is_live())
        self._renewed = False
        with trio.move_on_after(self._setbacks.wait(error, trio.current_time(), another_choice=another_choice)):
            while not self._renewed:
                await self._bell.wait()

    def _is_live(self, link: Link) -> None:
        if link is self._live:
            return
        self._live = link
        self._setbacks.live(trio.current_time())
        self._tools.standing.connects += 1
        self._tools.standing.live()

    # ── two links ──
    async def _hand_over(self, nursery: trio.Nursery, old: Link) -> None:
        """Try once to move to a new link with the topics and the credential wanted now; a newer credential ends the wait."""
        self._renewed = self._outworn = False
        suspect, self._suspect = self._suspect, False
        async with self._tools.handing_over:
            failure = await self._try_hand_over(nursery, old)
        if failure is None or old.end is not None:
            return
        self._tools.standing.failed(failure, another_is_live=True)
        if suspect:
            self._tools.unproven(old.session.confirmed, str(failure))
        wait = self._setbacks.wait(failure, trio.current_time(), another_choice=is_of_topics(failure))
        with trio.move_on_after(wait):
            while old.end is None and not self._renewed:
                await self._bell.wait()

    async def _try_hand_over(self, nursery: trio.Nursery, old: Link) -> BridgeError | None:
        try:
            credential = await self._tools.keeper.current()
        except BridgeError as error:
            return error
        if old.end is not None:
            return None
        if self._stale and credential is not None and credential == old.credential:
            return TransportLost(f"{old.name}: its credential ends, and there is no other yet")
        if not await has_spare_place(self._tools.link.places):
            old.close("the vendor grants no second connection, so this one makes room")
            self._voice.fall_silent("the vendor grants no second connection")
            return None
        if not await self._entrance.enter_beside(old, self._bell):
            return None
        return await self._follow(nursery, old, credential)

    async def _follow(self, nursery: trio.Nursery, old: Link, credential: Credential | None) -> BridgeError | None:
        """Start a new link beside the old one and let it take over."""
        topics = self._narrowing.among(self.topics)
        was_stale, self._stale = self._stale, False  # from here on, what is said of a credential is said of the new one
        new = self._start(nursery, topics, credential, None)  # the overlap fills in, so nothing is to be replayed
        overlap = self._voice.expect(new, topics)
        try:
            failure = await succession(old, new, overlap, self._bell)
        finally:
            self._entrance.left(new)
        if failure is not None:
            new.close(str(failure))
            self._voice.abandon(str(failure))
            self._entrance.blame(new, failure)
            blamed = self._narrowing.addition_refused(topics - old.session.topics, failure)
            if blamed is not None and isinstance(failure, VendorRefused):
                self._decline(Declined(blamed, Code.UNKNOWN_INSTRUMENT, failure.reason))
            self._stale = self._stale or was_stale
            return failure
        self._voice.switch("unsubscribed")
        old.close("another connection has taken over")
        self._narrowing.granted()
        self._is_live(new)
        nursery.start_soon(self._finish_later, overlap)
        while old in self.links:  # its place must be free before another hand-over looks for one
            await self._bell.wait()
        return None

    async def _finish_later(self, overlap: Overlap) -> None:
        await trio.sleep(AFTERMATH_SECONDS)
        self._voice.finish(overlap)

    # ── what links say ──
    def _hear(self, link: Link, effect: Effect | None) -> None:
        match effect:
            case Emit():
                self._voice.emit(link, effect)
                return
            case Declined():
                self._decline(effect)
            case Expiring():
                self._tools.keeper.spoiled(link.credential)
                self._stale = self._stale or link is self._voice.speaking
            case Aside():
                self._voice.aside(link, effect)
                return
            case Skipped():
                self._voice.skip(link, effect)
            case None:
                self._ended(link)
            case _:
                if link is self._voice.speaking and link.ready:
                    self._is_live(link)
                continued = effect.continued if isinstance(effect, Confirmed) else frozenset()
                self._voice.cover("the vendor dropped the subscription", continued)
        self._bell.ring()

    def _ended(self, link: Link) -> None:
        self.links.remove(link)
        if link is self._voice.speaking:
            self._bookmark = link.bookmark and link.bookmark.among(self.topics)
            self._tools.standing.losses += link is self._live
            self._voice.lose(str(link.end))

    def _decline_alone(self, tried: frozenset[Topic], failure: BridgeError) -> None:
        """Blame a new topic that was asked for alone: the address is right, for the vendor has granted others before."""
        if len(tried) == 1 and isinstance(failure, VendorRefused) and is_of_topics(failure):
            (topic,) = tried
            self._decline(Declined(topic, Code.UNKNOWN_INSTRUMENT, failure.reason))

    def _decline(self, said: Declined) -> None:
        self.topics -= {said.topic}
        self._voice.cover("the vendor refused it")
        self._tools.standing.refuse(said.topic, said.code, said.message)
        self._tools.notify()
