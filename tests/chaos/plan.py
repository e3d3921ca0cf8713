"""What a run of `make chaos` does, and the short form of it that the tests run: rows of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from tests.chaos import brokers, endpoint, kills, membership, registry, storm
from tests.chaos.scene import Scene
from tests.support.broker import Broker, Capability

Act: TypeAlias = Callable[[Scene], None]


class Scenario(NamedTuple):
    name: str
    fault: str
    """As the matrix calls it."""
    act: Act
    """One run of the long form."""
    runs: int
    short: Act | None = None
    """One run of the short form, where there is one: seconds."""
    needs: tuple[Capability, ...] = ()
    local: bool = False
    """Only where the broker is a process of this machine."""

    def lacking(self, broker: Broker) -> list[str]:
        """What this broker would have to be able to do."""
        missing: list[str] = sorted(set(self.needs) - broker.capabilities)
        return [*missing, "be a local process"] if self.local and broker.kind != "local" else missing


PLAN: tuple[Scenario, ...] = (
    Scenario(
        "kill-only-member",
        "kill -9 of the only member, static membership",
        lambda scene: kills.only_member(scene, 20),
        6,
        lambda scene: kills.only_member(scene, 5),
        ("own_settings",),
    ),
    Scenario(
        "kill-one-of-three",
        "kill -9 of one of three, classic protocol, session 3 s",
        lambda scene: kills.one_of_three(scene, 20),
        2,
        None,
        ("own_settings",),
    ),
    Scenario(
        "kill-one-of-three-kip848",
        "kill -9 of one of three, `group.protocol=consumer`",
        lambda scene: kills.one_of_three(scene, 20, "consumer"),
        2,
        None,
        ("own_settings",),
    ),
    Scenario("kill-five-times", "kill -9, five times, session 6 s", lambda scene: kills.five_times(scene, 50_000), 1),
    Scenario(
        "sigterm",
        "SIGTERM at any moment, a new member at once",
        lambda scene: membership.sigterm_storm(scene, 12),
        1,
        lambda scene: membership.sigterm_storm(scene, 3),
    ),
    Scenario(
        "sigterm-twice",
        "SIGTERM two to four times within 0.2 s",
        lambda scene: membership.impatient_sigterm(scene, 8),
        1,
    ),
    Scenario(
        "join-and-leave",
        "a second and a third member join and leave, classic protocol",
        lambda scene: membership.join_and_leave(scene, 10),
        1,
        lambda scene: membership.join_and_leave(scene, 3),
    ),
    Scenario(
        "join-and-leave-kip848",
        "a second and a third member join and leave, `group.protocol=consumer`",
        lambda scene: membership.join_and_leave(scene, 10, "consumer"),
        1,
    ),
    Scenario(
        "zombie",
        "SIGSTOP past the session, then awake, classic protocol",
        lambda scene: membership.zombie(scene, 4),
        1,
        lambda scene: membership.zombie(scene, 1),
        ("own_settings",),
    ),
    Scenario(
        "zombie-kip848",
        "SIGSTOP past the session, then awake, `group.protocol=consumer`",
        lambda scene: membership.zombie(scene, 4, "consumer"),
        1,
        None,
        ("own_settings",),
    ),
    Scenario(
        "broker-killed",
        "kill -9 of the broker, and a start",
        lambda scene: brokers.killed_broker(scene, 3, 10_000),
        1,
        lambda scene: brokers.killed_broker(scene, 1, 5000),
        ("restart", "own_settings"),
    ),
    Scenario(
        "broker-frozen",
        "the broker stands still for longer than a session",
        lambda scene: brokers.frozen_broker(scene, 2, 10_000),
        1,
        None,
        ("freeze", "own_settings"),
    ),
    Scenario(
        "broker-disk-full",
        "the broker's disk is full: it refuses and ends; then there is room, and it starts",
        lambda scene: brokers.full_disk(scene, 2, 10_000),
        1,
        None,
        ("restart", "own_settings"),
        local=True,
    ),
    Scenario(
        "dead-letters-refused",
        "the dead-letter topic refuses every size of record",
        lambda scene: brokers.too_small_a_limit(scene, 5, 20_000, 50),
        1,
        lambda scene: brokers.too_small_a_limit(scene, 1, 3000, 20),
        ("admin",),
    ),
    Scenario(
        "dead-letters-gone",
        "the dead-letter topic is deleted, and comes back",
        lambda scene: brokers.deleted_topic(scene, 5, 20_000, 50),
        1,
        None,
        ("admin",),
    ),
    Scenario("unauthorized", "10 s of 401", lambda scene: endpoint.unauthorized(scene, 50_000, 10), 1),
    Scenario(
        "unavailable",
        "10 s of 503",
        lambda scene: endpoint.unavailable(scene, 50_000, 10),
        1,
        lambda scene: endpoint.unavailable(scene, 5000, 2),
    ),
    Scenario("throttled", "3 s of 429 with Retry-After: 3", lambda scene: endpoint.throttled(scene, 50_000, 3), 1),
    Scenario(
        "unreachable",
        "10 s without the endpoint: port closed, connections cut",
        lambda scene: endpoint.unreachable(scene, 50_000, 10),
        1,
    ),
    Scenario(
        "lost-answers",
        "3 % of answers lost after storing",
        lambda scene: endpoint.dropped_answers(scene, 50_000, 0.02),
        1,
        lambda scene: endpoint.dropped_answers(scene, 5000, 0.05),
    ),
    Scenario(
        "refused-events",
        "50 events that the endpoint refuses",
        lambda scene: endpoint.refused_events(scene, 50_000, 50),
        1,
        lambda scene: endpoint.refused_events(scene, 5000, 20),
    ),
    Scenario(
        "not-json",
        "50 values that are not JSON",
        lambda scene: endpoint.not_json(scene, 50_000, 50),
        1,
        lambda scene: endpoint.not_json(scene, 5000, 20),
    ),
    Scenario(
        "slow-registry",
        "a schema registry that hangs, then fails, then answers",
        lambda scene: registry.slow_registry(scene, 10, 20_000),
        1,
    ),
    Scenario(
        "storm",
        "all at random: kills, stops, starts, 401, 503, cut connections, 3 % of 500, 2 % of answers lost, bad records",
        lambda scene: storm.storm(scene, 25),
        2,
        lambda scene: storm.storm(scene, 4),
        ("own_settings",),
    ),
)
