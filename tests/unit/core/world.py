"""A seeded world: the real engine against models of Kafka, the endpoint and the dead-letter topic, in virtual time.

Everything comes from one seed. The ground truth is kept beside the engine: what the endpoint stored and said, what the
dead-letter topic acknowledged, what the group committed. The invariants are checked after every step.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from connector.core import commit_metadata
from connector.core.batching import BatchLimits
from connector.core.engine import CommitItem, Engine, EngineLimits, SendRequest
from connector.core.flow import WindowLimits
from connector.core.guard import GuardLimits
from connector.core.pacing import PacingLimits
from connector.core.records import (
    Answer,
    CredentialsRefused,
    Fault,
    HttpAnswer,
    NextOffset,
    PreparedRun,
    Reject,
    SchemaWait,
    TopicPartition,
    TransportFault,
)
from connector.core.reject_queue import DeadLetter
from tests.unit.core.records import FakeRecord

OK = HttpAnswer(200, b'{"ok": true, "operation_id": "x"}')
WINDOW_RECORDS = 1000
FAULTS = (
    "reset",
    "lost answer",
    "503",
    "429",
    "401",
    "credentials",
    "413",
    "spurious 400",
    "ok false",
    "unreadable",
    "204",
)


@dataclass(frozen=True)
class Made:
    """One record of the log and what is to become of it."""

    offset: int
    key: bytes | None
    kind: str
    """good, refused (by the endpoint), rejected, skipped, several (three events, all good)"""


@dataclass
class Partition:
    name: TopicPartition
    log: list[Made]
    read_to: int = 0
    """Index into the log."""
    committed: int | None = None
    metadata: str = ""
    last_first_delivery: dict[bytes, int] = field(default_factory=dict)
    """Per key, in the present epoch."""

    @property
    def end(self) -> int:
        return self.log[-1].offset + 1 if self.log else 0


@dataclass
class InFlight:
    sent: list[tuple[TopicPartition, int, bytes]]
    """(partition, offset, event)"""
    epochs: dict[TopicPartition, int]


class World:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.faults: Counter[str] = Counter()
        self.trace: list[str] = []
        self.partitions = {
            name: Partition(name, self._log(self.random.randint(0, 60)))
            for name in (TopicPartition("t", number) for number in range(self.random.randint(1, 4)))
        }
        self.calm = False
        self.ordering = self.random.choice(["key", "key", "key", "partition", "none"])
        self.stored: Counter[tuple[TopicPartition, bytes]] = Counter()
        self.answered_200: set[tuple[TopicPartition, bytes]] = set()
        self.reported: set[tuple[TopicPartition, int]] = set()
        self.skipped: set[tuple[TopicPartition, int]] = set()
        self.done_here: dict[TopicPartition, set[bytes]] = {}
        """Events that a 200 of the present epoch contained, or that the commit read at its begin names."""
        self.schema_known = self.random.random() < 0.5
        self._start()

    # -- the log -----------------------------------------------------------------------------------------------------

    def _log(self, count: int) -> list[Made]:
        offset, made = 0, []
        keys: list[bytes | None] = [b"a", b"b", b"c", None, *(b"k%d" % n for n in range(self.random.choice([2, 40])))]
        for _ in range(count):
            offset += self.random.choice([0, 0, 0, 1, 3])
            kind = self.random.choices(["good", "refused", "rejected", "skipped", "several"], [80, 4, 4, 4, 4], k=1)[0]
            made.append(Made(offset, self.random.choice(keys), kind))
            offset += 1
        return made

    def events_of(self, made: Made) -> list[bytes]:
        count = 3 if made.kind == "several" else 0 if made.kind in {"rejected", "skipped"} else 1
        return [b"%d.%d.%s" % (made.offset, part, made.kind.encode()) for part in range(count)]

    def record(self, name: TopicPartition, offset: int) -> Made:
        return next(made for made in self.partitions[name].log if made.offset == offset)

    # -- a life ------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        limits = EngineLimits(
            BatchLimits(self.random.choice([1, 3, 10, 100]), self.random.choice([60, 10_000]), 0.05),
            WindowLimits(WINDOW_RECORDS, 10**7),
            PacingLimits(0.2, 30.0, breaker_failures=5),
            GuardLimits(1.0, 10**9),
            requests_max=self.random.choice([1, 2, 4, 16]),
        )
        self.engine = Engine(limits, self.random)
        self.requests: dict[int, InFlight] = {}
        self.letters: list[DeadLetter] = []
        self.commit: list[CommitItem] | None = None
        for name in self.partitions:
            if self.random.random() < 0.8 or self.calm:
                self._assign(name)

    def _assign(self, name: TopicPartition) -> None:
        model = self.partitions[name]
        position = model.committed or 0
        self.engine.assign(name, NextOffset(position), model.metadata or None)
        model.read_to = next((i for i, made in enumerate(model.log) if made.offset >= position), len(model.log))
        model.last_first_delivery = {}
        named = commit_metadata.decode(model.metadata, NextOffset(position))
        self.done_here[name] = {
            event
            for made in model.log
            if any(r.start <= made.offset < r.end for r in named)
            for event in self.events_of(made)
        }
        self.say(f"assign {name} at {position}")

    def say(self, text: str) -> None:
        self.trace.append(f"{self.now:8.3f} {text}")

    def step(self) -> None:
        choices = [
            (self._read, 8),
            (self._answer, 10),
            (self._report, 4),
            (self._commit, 4),
            (self._wait, 4),
            (self._schema, 2),
        ]
        if not self.calm:
            choices += [(self._revoke, 0.4), (self._lose, 0.3), (self._gain, 1), (self._crash, 0.15)]
        steps, weights = zip(*choices, strict=True)
        self.random.choices(steps, weights, k=1)[0]()
        self._act()
        self.check()

    def _wait(self) -> None:
        self.now += self.random.choice([0.001, 0.06, 1.0, 40.0])

    def _crash(self) -> None:
        self.faults["crash"] += 1
        self.say("crash")
        self._start()

    def _gain(self) -> None:
        absent = [name for name in self.partitions if name not in self.engine.partitions]
        if absent:
            self._assign(self.random.choice(absent))

    def _lose(self) -> None:
        if self.engine.partitions:
            self.faults["lost"] += 1
            name = self.random.choice(list(self.engine.partitions))
            self.say(f"lost {name}")
            self.engine.drop([name])

    def _revoke(self) -> None:
        """With a drain: nothing is sent, answers and reports are waited for, then a commit, as the loop does it."""
        if not self.engine.partitions:
            return
        self.faults["revoked"] += 1
        name = self.random.choice(list(self.engine.partitions))
        self.say(f"revoke {name}")
        self.engine.draining = True
        for _ in range(self.random.choice([0, 5, 200])):
            if not self.engine.busy_with([name]):
                break
            self._answer()
            self._report()
            self._act()
            self.now += 0.05
        assert not any(self._act()), "sent while draining"
        self._commit()
        self._commit()
        self.engine.draining = False
        self.engine.drop([name])

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        reading = self.engine.reading(self.now)
        for partition in reading.pause:
            partition.paused = True
        for partition in reading.resume:
            partition.paused = False
        names = [name for name, held in self.engine.partitions.items() if not held.paused]
        if reading.records <= 0 or not names:
            self.now += 0.5
            return
        name = self.random.choice(names)
        model, held = self.partitions[name], self.engine.partitions[name]
        made = model.log[model.read_to : model.read_to + min(reading.records, self.random.choice([1, 5, 30]))]
        if not made:
            return
        model.read_to += len(made)
        fresh, ahead = self.engine.received(held, [FakeRecord(m.offset, m.key, b"{}", *name) for m in made])
        if ahead:
            self.faults["settled ahead"] += ahead
        if fresh:
            self._prepare(name, [record.offset() for record in fresh])

    def _prepare(self, name: TopicPartition, offsets: list[int]) -> None:
        run = PreparedRun()
        for index, offset in enumerate(offsets):
            made = self.record(name, offset)
            record = FakeRecord(offset, made.key, b"{}", *name)
            if not self.schema_known and self.random.random() < 0.1:
                self.faults["schema wait"] += 1
                run.rest = [FakeRecord(o, self.record(name, o).key, b"{}", *name) for o in offsets[index:]]
                run.wait = SchemaWait("id:1")
                break
            if made.kind == "skipped":
                run.skipped.append((offset, "filtered"))
                self.skipped.add((name, offset))
            elif made.kind == "rejected":
                run.rejects.append(Reject(record, "decode", "not_json", (Fault("", "x", "y"),)))
            key = {"key": made.key, "partition": b"", "none": None}[self.ordering]
            run.entries += [(offset, key, event, record, 10) for event in self.events_of(made)]
        self.engine.offer(self.engine.partitions[name], len(offsets), run, self.now)

    def _schema(self) -> None:
        if self.calm or self.random.random() < 0.3:
            self.schema_known = True
            for partition in list(self.engine.partitions.values()):
                if partition.held_for is not None:
                    records = self.engine.take_held(partition)
                    self._prepare(partition.name, [record.offset() for record in records])

    # -- requests ----------------------------------------------------------------------------------------------------

    def _act(self) -> list[SendRequest]:
        sent: list[SendRequest] = []
        for action in self.engine.actions(self.now):
            if isinstance(action, SendRequest):
                sent.append(action)
                self._sent(action)
            else:
                self.letters.append(action.letter)
        return sent

    def _sent(self, action: SendRequest) -> None:
        items = [(p.name, entry[0], entry[2]) for p, entries in action.batch.runs for entry in entries]
        assert items, "an empty request"
        for partition, entries in action.batch.runs:
            assert not partition.gone, "sent for a partition that was given away"
            for entry in entries:
                assert entry[2] not in self.done_here[partition.name], "sent again although it was settled"
        if self.ordering != "none":
            self._check_keys_apart(action)
        epochs = {p.name: p.epoch for p, _ in action.batch.runs}
        self.requests[action.request_id] = InFlight(items, epochs)
        self.say(f"send {action.request_id}: {[(p.partition, e.decode()) for p, _, e in items]}")

    def _check_keys_apart(self, action: SendRequest) -> None:
        keys = {(p.name, p.epoch, e[1]) for p, entries in action.batch.runs for e in entries if e[1] is not None}
        for request_id, batch in self.engine.in_flight.items():
            if request_id != action.request_id:
                others = {(p.name, p.epoch, e[1]) for p, entries in batch.runs for e in entries if not p.gone}
                assert not keys & others, "one key in two requests"

    def _answer(self) -> None:
        if not self.requests:
            return
        request_id = self.random.choice(list(self.requests))
        request = self.requests.pop(request_id)
        bad = [index for index, item in enumerate(request.sent) if item[2].endswith(b"refused")]
        answer = self._made_up(request, bad)
        self.say(f"answer {request_id}: {answer}")
        batch = self.engine.in_flight[request_id]
        current = {p.name for p, _ in batch.runs if not p.gone}
        if answer is OK:
            for name, offset, event in request.sent:
                self.answered_200.add((name, event))
                if name in current:
                    self.done_here[name].add(event)
                    self._check_order(name, offset)
        self.engine.answered(request_id, answer, self.now)

    def _check_order(self, name: TopicPartition, offset: int) -> None:
        key = {"key": self.record(name, offset).key, "partition": b"", "none": None}[self.ordering]
        if key is not None:
            last = self.partitions[name].last_first_delivery
            assert last.get(key, -1) <= offset, f"{name} {key!r}: {offset} was delivered after {last[key]}"
            last[key] = offset

    def _made_up(self, request: InFlight, bad: list[int]) -> Answer:
        kinds = (
            ["truth"]
            if self.calm
            else ["truth"] * 12
            + [
                "reset",
                "lost answer",
                "503",
                "429",
                "401",
                "credentials",
                "413",
                "spurious 400",
                "ok false",
                "unreadable",
                "204",
            ]
        )
        kind = self.random.choice(kinds)
        if kind == "413" and len(request.sent) == 1:
            kind = "truth"
        if kind == "spurious 400" and len(request.sent) == 1:
            kind = "truth"  # nothing can tell it from a true one
        if kind != "truth":
            self.faults[kind] += 1
        store = (kind == "truth" and not bad) or (kind in {"lost answer", "ok false", "unreadable", "204"} and not bad)
        if store:
            self.stored.update((name, event) for name, _, event in request.sent)
        match kind:
            case "truth" if not bad:
                return OK
            case "truth" | "spurious 400":
                return self._refusal(request, bad)
            case "reset" | "lost answer":
                return TransportFault("disconnected", "reset")
            case "503":
                return HttpAnswer(503, b"<html>")
            case "429":
                return HttpAnswer(429, b"", retry_after="3")
            case "401":
                return HttpAnswer(401, b"no")
            case "credentials":
                return CredentialsRefused("no")
            case "413":
                return HttpAnswer(413, b"")
            case "ok false":
                return HttpAnswer(200, b'{"ok": false}')
            case "unreadable":
                return HttpAnswer(200, b"<html>")
            case _:
                return HttpAnswer(204, b"")

    def _refusal(self, request: InFlight, bad: list[int]) -> HttpAnswer:
        hint = self.random.choice(["right", "wrong", "none"])
        self.faults[f"refusal, {hint} path"] += 1
        at = bad[0] if hint == "right" and bad else self.random.randrange(len(request.sent))
        details = b"" if hint == "none" else b', "details": {"path": "[%d].body"}' % at
        return HttpAnswer(self.random.choice([400, 422]), b'{"ok": false, "error": "bad"%s}' % details)

    # -- dead letters ------------------------------------------------------------------------------------------------

    def _report(self) -> None:
        if not self.letters:
            return
        letter = self.letters.pop(self.random.randrange(len(self.letters)))
        kind = "report" if self.calm else self.random.choice(["report", "report", "report", "failed", "not taken"])
        name = letter.partition.name
        if kind == "report":
            made = self.record(name, letter.offset)
            assert made.kind in {"rejected", "refused"}, f"a good record was rejected: {made}"
            self.reported.add((name, letter.offset))
            self.engine.dead_letter_reported(letter.letter_id)
            return
        self.faults[f"dead letter {kind}"] += 1
        if kind == "failed":
            self.engine.rejects.failed(letter.letter_id, "down", self.now)
        else:
            self.engine.rejects.not_taken(letter.letter_id, self.now)

    # -- commits -----------------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        """Sends one, or answers the one in flight: confirmed, failed, or answered after its partition went away."""
        if self.commit is None:
            self.commit = self.engine.commit_plan({})
            for item in self.commit:
                assert not item.partition.gone, "a commit for a partition that is not held"
            return
        plan, self.commit = self.commit, None
        for item in plan:
            held = self.engine.partitions.get(item.partition.name)
            if held is not item.partition or (not self.calm and self.random.random() < 0.1):
                self.faults["commit failed"] += 1
                continue
            self._applied(item)
            self.engine.confirmed(item)

    def _applied(self, item: CommitItem) -> None:
        model = self.partitions[item.partition.name]
        assert item.position >= (model.committed or 0), "a commit went back"
        ranges = commit_metadata.decode(item.metadata, item.position)
        assert bool(ranges) == bool(item.metadata)
        for made in model.log:
            if made.offset < item.position or any(r.start <= made.offset < r.end for r in ranges):
                assert self.has_evidence(model.name, made), f"{model.name}: {made} is committed and not settled"
        model.committed, model.metadata = item.position, item.metadata

    def has_evidence(self, name: TopicPartition, made: Made) -> bool:
        if (name, made.offset) in self.reported or (name, made.offset) in self.skipped:
            return True
        events = self.events_of(made)
        return bool(events) and all((name, event) in self.answered_200 for event in events)

    # -- invariants --------------------------------------------------------------------------------------------------

    def check(self) -> None:
        engine = self.engine
        assert engine.window_records == sum(len(p.progress) for p in engine.partitions.values())
        assert 0 <= engine.window_records <= WINDOW_RECORDS
        assert engine.window_bytes == sum(p.window_bytes for p in engine.partitions.values())
        assert all(p.window_bytes >= 0 for p in engine.partitions.values())
        for name, partition in engine.partitions.items():
            for made in self.partitions[name].log:
                if (self.partitions[name].committed or 0) <= made.offset < partition.progress.position:
                    assert self.has_evidence(name, made), f"{name}: {made} may be committed and is not settled"

    def settle_everything(self) -> None:
        """Faults off: within a bound everything has to be settled and committed."""
        self.calm = True
        self.say("calm")
        for name in self.partitions:
            if name not in self.engine.partitions:
                self._assign(name)
        for _ in range(20_000):
            self.step()
            if all(model.committed == model.end or not model.log for model in self.partitions.values()):
                break
        for model in self.partitions.values():
            assert not model.log or model.committed == model.end, f"{model.name} stands at {model.committed}"
            for made in model.log:
                assert self.has_evidence(model.name, made)
                rejected = (model.name, made.offset) in self.reported
                assert rejected == (made.kind in {"rejected", "refused"}), f"{made} ended wrong"
        assert self.engine.idle


def run_world(seed: int, steps: int = 300) -> World:
    """One world, from its start to its calm end. An AssertionError carries the trace as a note."""
    world = World(seed)
    try:
        for _ in range(steps):
            world.step()
        world.settle_everything()
    except AssertionError as error:
        error.add_note(f"seed {seed}\n" + "\n".join(world.trace[-60:]))
        raise
    return world
