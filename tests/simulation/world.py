"""A world: everything that happens in it comes from its seed, in virtual time, and is checked after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from math import inf
from random import Random

from connector.core.actions import CommitItem, EngineLimits
from connector.core.batching import BatchLimits
from connector.core.flow import WindowLimits
from connector.core.pacing import PacingLimits
from connector.core.progress import OffsetRange
from connector.core.records import Answer, NextOffset, TopicPartition
from tests.simulation.chances import Chances, Timeline
from tests.simulation.dead_letter_model import DeadLetterModel
from tests.simulation.endpoint_model import EndpointModel
from tests.simulation.floods import Floods
from tests.simulation.invariants import Epoch, Ledger, require
from tests.simulation.kafka_model import EventId, EventKind, Group, Log
from tests.simulation.member import Member

CALM_STEPS_MAX = 6000
_OTHERS_METADATA = ("", "written by another program", "ac9:newer", "ac1:%%%", "ac1:")


class World:
    def __init__(self, seed: int, without: Collection[str] = (), *, tracing: bool = False) -> None:
        self.random = Random(seed)
        self.chances = Chances(self.random, without)
        self.timeline = Timeline()
        self.ledger = Ledger()
        self.trace: list[str] = []
        self._tracing = tracing
        names = [TopicPartition("orders", number) for number in range(self.random.choice((1, 1, 2, 3, 4)))]
        self.logs = {name: Log(name) for name in names}
        self.group = Group(names)
        self._named: dict[TopicPartition, frozenset[int]] = dict.fromkeys(names, frozenset())
        self._texts: dict[TopicPartition, list[str]] = {name: [] for name in names}
        self._kinds: dict[EventId, EventKind] = {}
        self.endpoint = EndpointModel(self.chances, self.timeline, self._kinds, self._stored)
        self.dead_letters = DeadLetterModel(self.chances, self.timeline)
        self._keys = self.random.choice((1, 3, 10, 100))
        self._schemas: dict[str, float] = {}
        self.slow_schemas = self.chances.hit("slow schema")
        self.floods = Floods(seed, self.chances)
        self.guard_did: Counter[str] = Counter()
        self._limits = self._draw_limits()
        self.members: list[Member] = []
        self._joined = 0
        self._posted: list[list[tuple[Epoch, list[EventId]]]] = []

    def _draw_limits(self) -> EngineLimits:
        pick = self.random.choice
        return EngineLimits(
            BatchLimits(pick((1, 2, 4, 7, 20)), pick((60, 200, 1000, 100_000)), pick((0.0, 0.01, 0.05))),
            WindowLimits(pick((20, 60, 20_000)), pick((2_000, 10_000, 10_000_000))),
            PacingLimits(0.05, 2.0, pick((2, 4, 8)), pick((None, None, None, 200.0))),
            self.floods.guard_limits(),
            pick((1, 2, 4, 16)),
        )

    # -- the whole run -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        for log in self.logs.values():
            self._produce(log, self.random.randint(0, 40))
        for _ in range(self.random.choice((1, 1, 2, 3))):
            self._join()
        for _ in range(self.random.randint(60, 250)):
            self._step()
        self._calm()
        self._check_end()

    def _step(self) -> None:
        self.timeline.advance(self.timeline.now + self.random.choice((0.001, 0.01, 0.05)))
        if self.random.random() < 0.1:
            self._produce(self.random.choice(list(self.logs.values())), self.random.randint(1, 12))
        if self.random.random() < 0.5:
            self._distribute()
        if not self.members:
            self._join()
        self._disturb()
        if self.members:
            self.random.choice(self.members).tick()

    def _produce(self, log: Log, count: int) -> None:
        for _ in range(count):
            schema = f"id:{self.random.randrange(4)}" if self.slow_schemas else None
            log.append(self.random, self._keys, schema, self.floods.verdict(log.name))
            record = log.records[-1]
            place = (record.partition(), record.at)
            self.ledger.produced(record)
            self._kinds.update({EventId(*place, index): kind for index, kind in enumerate(record.events)})
        if self.random.random() < 0.2:
            log.end += self.random.randint(1, 3)

    def note(self, what: str) -> None:
        if self._tracing:
            self.trace.append(f"{self.timeline.now:9.3f}  {what}")

    # -- what members ask of the world -------------------------------------------------------------------------------

    def schema_known(self, schema: str) -> bool:
        known_at = self._schemas.setdefault(schema, self.timeline.now + self.random.uniform(0.01, 3.0))
        return self.timeline.now >= known_at

    def post(self, runs: list[tuple[Epoch, list[EventId]]], body: bytes, answer: Callable[[Answer], None]) -> None:
        self.note(f"post {len(self._posted)}: {[(epoch, [e[1:] for e in events]) for epoch, events in runs]}")
        self.ledger.post(runs)
        number = len(self._posted)
        self._posted.append(runs)

        def answered(with_: Answer) -> None:
            self.note(f"answer {number}: {with_}")
            answer(with_)

        self.endpoint.post(number, body, answered)

    def _stored(self, number: int, events: list[EventId]) -> None:
        sent = [event for _, of_epoch in self._posted[number] for event in of_epoch]
        require(sent == events, "5", f"the body holds {events}, the batch {sent}")
        self.ledger.was_stored(self._posted[number])

    def commit(self, item: CommitItem, member: int, grant: int, ahead: list[OffsetRange]) -> bool:
        name = item.partition.name
        done = self.group.commit(name, member, grant, item.position, item.metadata)
        self.note(f"commit {name} {item.position} {ahead} by {member}: {'done' if done else 'fenced'}")
        if done:
            self._texts[name].append(item.metadata)
            self.ledger.check_commit(item.partition, item.position, ahead)
            offsets = [record.at for record in self.logs[name].records]
            self._named[name] = frozenset(o for o in offsets if any(r.start <= o < r.end for r in ahead))
        return done

    # -- the group ---------------------------------------------------------------------------------------------------

    def _join(self) -> None:
        self._joined += 1
        self.members.append(Member(self, self._joined, self._limits))
        self.note(f"member {self._joined} joins")

    def _distribute(self) -> None:
        takers = [m for m in self.members if m.draining is None and not m.stopping and not m.is_fenced]
        for name, holder in self.group.holder.items():
            if holder is None and takers:
                self._assign(name, self.random.choice(takers))

    def _assign(self, name: TopicPartition, member: Member) -> None:
        grant = self.group.grant(name, member.number)
        committed = self.group.committed.get(name)
        position, metadata, named = NextOffset(0), None, frozenset[int]()
        if committed is not None:
            position, metadata, named = committed.position, committed.metadata, self._named[name]
            if metadata and self.chances.hit("metadata damaged"):
                others = (
                    *_OTHERS_METADATA,
                    metadata[:-3],
                    *self._texts[name][:-1],
                )  # damaged, a stranger's, an older one
                metadata, named = self.random.choice(others), frozenset()
            named |= {record.at for record in self.logs[name].records if record.at < position}
        self.note(f"{name} to member {member.number} from {position} with {metadata!r}")
        member.assigned(name, grant, position, metadata, named)

    def _disturb(self) -> None:
        member = self.random.choice(self.members)
        if self.chances.hit("kill"):
            self._kill(member)
        elif not member.is_fenced and self.chances.hit("session lost"):
            member.is_fenced = True
            self.note(f"session of member {member.number} lost")
            self.group.free_all(member.number)
            self.timeline.after(self.random.uniform(0.05, 4.0), lambda: setattr(member, "lost_pending", True))
        elif member.draining is None and not member.stopping and not member.is_fenced:
            held = [name for name in self.group.held_by(member.number) if name in member.fetch]
            if self.chances.hit("stop"):
                self._stop(member)
            elif held and self.chances.hit("rebalance"):
                names = self.random.sample(held, self.random.randint(1, len(held)))
                self.note(f"member {member.number} gives away {names}")
                member.begin_drain(names, lambda: self.group.free(names, member.number))

    def _kill(self, member: Member) -> None:
        member.tick(self.random.randint(0, 7))
        if member.dead:  # its drain ended with this tick
            return
        self.note(f"member {member.number} killed")
        member.dead = True
        self.members.remove(member)
        self.timeline.after(self.random.uniform(0.0, 3.0), lambda: self.group.free_all(member.number))

    def _stop(self, member: Member) -> None:
        self.note(f"member {member.number} is told to stop")
        member.stopping = True

        def left() -> None:
            member.dead = True
            self.members.remove(member)
            self.group.free_all(member.number)

        member.begin_drain(list(member.fetch), left)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _calm(self) -> None:
        """No more faults: everything has to become committed."""
        self.chances.calm = True
        self.note("calm")
        for _ in range(CALM_STEPS_MAX):
            if self._all_committed():
                return
            self._distribute()
            if not any(not m.stopping for m in self.members):
                self._join()
            for member in list(self.members):
                member.tick()
            dues = [member.engine.next_due(self.timeline.now) for member in self.members] + [self.timeline.next_at()]
            soonest = min((due for due in dues if due is not None), default=inf)
            step = 5.0 if any(member.engine.guard_tripped for member in self.members) else 0.5
            self.timeline.advance(max(self.timeline.now + 0.01, min(soonest, self.timeline.now + step)))
        left = {str(name): (self.group.committed.get(name), log.end) for name, log in self.logs.items()}
        require(False, "6", f"not all is committed after the faults ended: {left}")

    def _all_committed(self) -> bool:
        committed = self.group.committed
        return all(
            log.end == 0 or (name in committed and committed[name].position == log.end)
            for name, log in self.logs.items()
        )

    def _check_end(self) -> None:
        for place, record in self.ledger.records.items():
            require(self.ledger.is_settled(record), "1", f"{place} is committed and was never settled")
            in_letters = place in self.dead_letters.written
            require(
                in_letters == record.is_rejected, "2", f"{place} {record.events}: in the dead letters: {in_letters}"
            )
            for index, kind in enumerate(record.events):
                times = self.ledger.stored.get(EventId(*place, index), 0)
                require((times > 0) == (kind == "good"), "2", f"{place} event {index} ({kind}) is stored {times} times")
                require(
                    times <= 1 or not self.chances.faultless, "7", f"{place} is stored {times} times without a fault"
                )
