"""One run's stage: a topic, a group, its members as processes, and an endpoint for each of them.

Owns the account of what was produced and of each moment at which evidence was lost. A scenario drives it; nothing here
decides what happens when. Every wait has a deadline.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from connector.airship.sandbox import LatencyFault, RunningSandbox, SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import Rule, UnreachableFault
from tests.chaos.account import Account, Copy, Exposure, Letter, Nature, Produced
from tests.integration.events import custom_event
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import wait_until
from tests.support.topics import Committed, Position, Record, Topics, committed, end_offsets, produce, read_to_end

T = TypeVar("T")

USERS = 200
_LOST = re.compile(r'^connector_rebalances_total{[^}]*event="lost"[^}]*} (\d+)', re.MULTILINE)
COMMIT_INTERVAL_SECONDS = 0.5  # the product's default
BUSY_MACHINE_SECONDS = 1.0
_KEEP_EVENTS = 2_000_000
_KEEP_BYTES = 2**30
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_SETTLE_SECONDS = 120.0
_ASK_SECONDS = 60.0
_PRODUCE_SECONDS = 60.0


@dataclass
class Member:
    """A place in the group: its endpoint, its settings, and the process that is there now."""

    slot: int
    sandbox: RunningSandbox
    settings: dict[str, Any]
    connector: Connector | None = None
    began: float = 0.0
    """Since when nothing of what it delivers has been exposed."""

    cuts: list[tuple[float, float]] = field(default_factory=list)
    """When all connections to its endpoint were cut, each between two readings of the clock."""

    @property
    def running(self) -> Connector:
        assert self.connector is not None
        return self.connector

    def wait_alive(self) -> None:
        process = self.running.process
        wait_until(lambda: self.running.get("/livez")[0] == 200, _START_SECONDS, "its start", process)

    def lost_partitions(self) -> int:
        """How often the group told this process that its partitions are not its own any more."""
        lost = _LOST.search(self.running.get("/metrics")[1])
        return int(lost[1]) if lost else 0


class Scene:
    def __init__(self, broker: Broker, topics: Topics, directory: Path, random: Random, stack: ExitStack) -> None:
        self.broker = broker
        self.topics = topics
        self.random = random
        self.account = Account()
        self.recoveries: list[float] = []
        """Seconds from the end of a cause until something is delivered again."""
        self.incidents = 0
        self.kills = 0
        self.members: list[Member] = []
        self.topic = topics.create("events", 6)
        self.dead = topics.create("dead", 1)
        self.group = topics.unique_name("group")
        self.route: dict[str, Any] = {"topics": [self.topic], "format": "json"}
        self.value_of: Callable[[int, str, Nature], bytes] = _json_value
        self.tell: Callable[[str], None] = lambda _line: None
        self._directory = directory
        self._stack = stack

    def keep(self, context: AbstractContextManager[T]) -> T:
        """Enters it, until the run is over."""
        return self._stack.enter_context(context)

    # -- members -----------------------------------------------------------------------------------------------------

    def add_member(self, **kafka: Any) -> Member:
        """A place in the group, with nobody in it yet. `kafka`: its settings under that name."""
        options = SandboxOptions(keep=_KEEP_EVENTS, keep_bytes=_KEEP_BYTES, seed=self.random.randrange(2**31))
        sandbox = self.keep(running_sandbox(options))
        settings = settings_for(self.broker.bootstrap_servers, self.group, sandbox.base_url, [self.route], self.dead)
        settings["delivery"]["commit_interval_ms"] = int(COMMIT_INTERVAL_SECONDS * 1000)
        settings["kafka"] |= kafka
        if settings["kafka"].get("group_protocol") == "consumer":
            del settings["kafka"]["session_timeout_ms"]
        member = Member(len(self.members), sandbox, settings)
        self.members.append(member)
        self.account.ordered = len(self.members) == 1
        return member

    def start(self, member: Member) -> None:
        member.began = time.time()
        name = f"member-{member.slot}"
        member.connector = Connector(self._directory, member.settings, name=name)
        self._stack.callback(member.connector.process.stop)

    def stop(self, member: Member) -> None:
        """SIGTERM; it has to end in time and with 0. Before its handlers stand it would be a kill: they are awaited."""
        member.wait_alive()
        member.running.process.terminate()
        member.running.expect_end(_STOP_SECONDS)
        member.connector = None

    def kill(self, member: Member) -> None:
        at = time.time()
        member.running.process.kill()
        self.kills += 1
        self.note_exposure(member, at)
        member.connector = None

    def note_exposure(
        self, member: Member, at: float, held: dict[int, Committed] | None = None, until: float | None = None
    ) -> None:
        """Evidence of this member was lost at `at`, until `until`, else now. `held`: what the group had committed; else
        what it has now."""
        held = self.committed() if held is None else held
        commit_seconds = 2 * COMMIT_INTERVAL_SECONDS + BUSY_MACHINE_SECONDS + self._leaderless_seconds()
        now = time.time()
        end = now if until is None else until
        self.account.exposures.append(Exposure(member.slot, member.began, at, end, held, commit_seconds))
        member.began = now

    def _leaderless_seconds(self) -> float:
        kafka = self.members[0].settings["kafka"]
        classic = kafka.get("group_protocol", "classic") == "classic"
        return kafka["session_timeout_ms"] / 1000 if classic and len(self.members) > 1 else 0.0

    # -- records -----------------------------------------------------------------------------------------------------

    def produce(self, count: int, bad: dict[Nature, int] | None = None) -> None:
        """`count` good records, and the bad ones scattered among them."""
        natures = [Nature.GOOD] * count
        for nature, bad_count in (bad or {}).items():
            for _ in range(bad_count):
                natures.insert(self.random.randrange(len(natures) + 1), nature)
        first = len(self.account.produced)
        keys = [f"user-{self.random.randrange(USERS)}" for _ in natures]
        records = [
            Record(self.value_of(first + index, key, nature), key.encode())
            for index, (key, nature) in enumerate(zip(keys, natures, strict=True))
        ]
        positions = produce(
            self.broker.bootstrap_servers, self.topic, records, {"linger.ms": 20}, timeout_seconds=_PRODUCE_SECONDS
        )
        self.account.produced += map(Produced, positions, keys, natures)

    def keep_backlog(self, records: int) -> None:
        """Produces until at least so many good ones are not delivered yet, repetitions not looked at."""
        missing = records - (len(self.account.produced) - self.delivered())
        if missing > 0:
            self.produce(missing + records)

    def committed(self) -> dict[int, Committed]:
        """Asks again while the group has no coordinator: right after the start of a broker."""

        def ask() -> dict[int, Committed] | None:
            try:
                return committed(self.broker.bootstrap_servers, self.group, self.topic)
            except KafkaException:
                return None

        found = wait_until(lambda: (answer,) if (answer := ask()) is not None else None, _ASK_SECONDS, "the commits")
        return found[0]

    def all_committed(self) -> bool:
        done = self.committed()
        ends = end_offsets(self.broker.bootstrap_servers, self.topic)
        return all(end == 0 or (number in done and done[number].offset == end) for number, end in ends.items())

    # -- endpoints ---------------------------------------------------------------------------------------------------

    def set_fault(self, rule: Rule) -> Callable[[], None]:
        """At the endpoint of every member there is; gives what ends it."""
        ids = [(member.sandbox, member.sandbox.set_fault(rule)) for member in self.members]

        def end() -> None:
            for sandbox, fault_id in ids:
                sandbox.clear_faults(fault_id)

        return end

    def slow_endpoint(self, seconds: float, seconds_max: float) -> None:
        self.set_fault(LatencyFault(seconds=seconds, seconds_max=seconds_max))

    def cut(self, seconds: float) -> None:
        """No endpoint can be reached for a time, and what they were answering is stored without an answer."""
        for member in self.members:
            before = time.time()
            member.sandbox.set_fault(UnreachableFault(for_seconds=seconds))
            member.cuts.append((before, time.time()))

    def delivered(self) -> int:
        return sum(member.sandbox.summary().accepted for member in self.members)

    def wait_delivered(self, count: int, seconds: float = 60.0) -> None:
        """Until so many events are stored, repetitions counted."""
        wait_until(lambda: self.delivered() >= count, seconds, f"{count} events to be delivered", self._anyone())

    def wait_quiet(self, member: Member, seconds: float = 10.0) -> None:
        """Until nothing is in flight at a member's endpoint: what a killed one had sent is over."""
        member.sandbox.wait_until(lambda summary: summary.in_flight == 0, seconds)

    @contextmanager
    def recovering(self, seconds: float = 60.0) -> Iterator[None]:
        """The block ends a cause: measures from its end until something more is delivered."""
        yield
        ended = time.monotonic()
        self.wait_delivered(self.delivered() + 1, seconds)
        self.recoveries.append(time.monotonic() - ended)

    def _anyone(self) -> Any:
        running = [member.connector.process for member in self.members if member.connector is not None]
        return running[0] if len(running) == 1 else None

    # -- the end -----------------------------------------------------------------------------------------------------

    def finish(self) -> Account:
        """With nothing wrong any more, everything has to be settled and committed; then the account is closed."""
        self.broker.heal()
        if all(member.connector is None for member in self.members):
            self.start(self.members[0])
        wait_until(self.all_committed, _SETTLE_SECONDS, f"everything to be committed: {self._state()}", self._anyone())
        for member in self.members:
            if member.connector is not None:
                self.stop(member)
        self.account.copies = [copy for member in self.members for copy in copies_of(member)]
        self.account.letters = [_letter(message) for message in read_to_end(self.broker.bootstrap_servers, self.dead)]
        return self.account

    def _state(self) -> str:
        return f"{len(self.account.produced)} produced, {self.delivered()} delivered"


def copies_of(member: Member) -> Iterator[Copy]:
    requests = {request.number: request for request in member.sandbox.requests()}
    for event in member.sandbox.events():
        request = requests[event.request]
        number = event.event["body"]["properties"]["number"]
        cut = any(event.arrived <= after and request.ended >= before for before, after in member.cuts)
        answered = request.status == 200 and not cut
        yield Copy(number, member.slot, event.sequence, event.arrived, request.ended, answered)


def _letter(message: Any) -> Letter:
    headers = {name: (value or b"").decode() for name, value in message.headers() or []}
    origin = Position(int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"]))
    return Letter(origin, message.timestamp()[1] / 1000, headers["airship-connector.reason"])


def _json_value(number: int, key: str, nature: Nature) -> bytes:
    match nature:
        case Nature.GOOD:
            return custom_event(number, key)
        case Nature.REFUSED:
            return custom_event(number, key, sandbox_refuse=True)
        case Nature.NOT_JSON:
            return b"not json " + json.dumps(number).encode()


@contextmanager
def opened(broker: Broker, directory: Path, random: Random) -> Iterator[Scene]:
    """Topics, endpoints and processes end with the block."""
    topics = Topics(broker)
    try:
        with ExitStack() as stack:
            yield Scene(broker, topics, directory, random, stack)
    finally:
        broker.heal()
        topics.delete_all()
