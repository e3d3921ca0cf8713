"""Trouble of Kafka: the broker is killed, stands still, or has no disk; the dead-letter topic takes nothing.

Nothing may be dropped for it, and nothing repeated: even where the outage outlasts the session, the member knows what
it delivered meanwhile. It waits, and goes on by itself.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.chaos.account import Nature
from tests.chaos.scene import Scene
from tests.support.local_kafka import LocalKafka
from tests.support.processes import wait_until

_CONFIGURE_SECONDS = 15.0
_WAIT_SECONDS = 60.0
_FIRST_EVENTS = 600
_FULL_DISK_BYTES = 1024


def killed_broker(scene: Scene, kills: int, events: int) -> None:
    """kill -9 in the middle of the flow, and a start on the same data. What was read before goes on being delivered."""

    def kill() -> Callable[[], None]:
        scene.broker.kill()
        return scene.broker.start

    _outages(scene, kills, events, kill)


def frozen_broker(scene: Scene, freezes: int, events: int) -> None:
    """It answers nothing, its connections stay open, for longer than a session."""

    def freeze() -> Callable[[], None]:
        scene.broker.freeze()
        return scene.broker.thaw

    _outages(scene, freezes, events, freeze, least_seconds=7.0)


def full_disk(scene: Scene, times: int, events: int) -> None:
    """Its files may not grow any more, as on a full disk: it refuses, and ends. There is room again, and it starts."""
    broker = scene.broker
    assert isinstance(broker, LocalKafka)

    def fill() -> Callable[[], None]:
        _, hard = resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (_FULL_DISK_BYTES, hard))
        wait_until(lambda: not broker.process.is_running or None, _WAIT_SECONDS, "the broker to end for want of disk")
        return broker.start

    _outages(scene, times, events, fill)


def _outages(
    scene: Scene, times: int, events: int, begin: Callable[[], Callable[[], None]], least_seconds: float = 0.0
) -> None:
    member = scene.add_member()
    scene.slow_endpoint(0.02, 0.1)
    member.settings["delivery"]["requests_max"] = 4
    scene.produce(_FIRST_EVENTS)  # a group in full life has a commit of every partition
    scene.start(member)
    wait_until(scene.all_committed, _WAIT_SECONDS, "the first commits", member.running.process)
    scene.produce(events)
    for _ in range(times):
        scene.wait_delivered(scene.delivered() + scene.random.randrange(500, 2000))
        end = begin()
        time.sleep(least_seconds + scene.random.uniform(0.0, 3.0))
        with scene.recovering():
            end()
            scene.produce(events // 2)  # what was there before may be delivered already
        scene.incidents += 1
        scene.tell(f"outage {scene.incidents}, {scene.delivered()} delivered")


# -- the dead-letter topic -------------------------------------------------------------------------------------------


def too_small_a_limit(scene: Scene, seconds: float, events: int, bad: int) -> None:
    """`max.message.bytes` below the smallest letter: even the one that only points at its origin is refused."""
    _configure(scene, "max.message.bytes", "50")
    _unwritable(scene, seconds, events, bad, lambda: _configure(scene, "max.message.bytes", "1048588"))


def deleted_topic(scene: Scene, seconds: float, events: int, bad: int) -> None:
    """It is gone, nobody creates it on demand, and it comes back. What it held is gone with it."""
    member = scene.add_member()
    scene.start(member)
    member.running.wait_ready()
    scene.broker.delete_topic(scene.dead)
    _unwritable(scene, seconds, events, bad, lambda: scene.broker.create_topic(scene.dead, 1))


def _unwritable(scene: Scene, seconds: float, events: int, bad: int, mend: Callable[[], object]) -> None:
    """The position may not pass a bad record meanwhile, good ones flow on, and each is written once at the end."""
    if not scene.members:
        scene.start(scene.add_member())
    member = scene.members[0]
    scene.slow_endpoint(0.02, 0.1)
    scene.produce(events, {Nature.NOT_JSON: bad})
    scene.wait_delivered(events)
    time.sleep(seconds)
    held = scene.committed()
    passed = [
        record.position
        for record in scene.account.produced
        if record.nature is Nature.NOT_JSON
        and record.position.partition in held
        and held[record.position.partition].offset > record.position.offset
    ]
    assert not passed, f"committed past bad records that are nowhere: {passed[:5]}"
    mend()
    scene.incidents += 1
    since = time.monotonic()
    wait_until(scene.all_committed, _WAIT_SECONDS, "everything to be committed", member.running.process)
    scene.recoveries.append(time.monotonic() - since)


def _configure(scene: Scene, name: str, value: str) -> None:
    admin = AdminClient({"bootstrap.servers": scene.broker.bootstrap_servers, "log_level": 0})
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    asked = ConfigResource(ResourceType.TOPIC, scene.dead, incremental_configs=[entry])
    admin.incremental_alter_configs([asked])[asked].result(_CONFIGURE_SECONDS)
