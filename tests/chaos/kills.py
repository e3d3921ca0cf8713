"""kill -9 of the connector at random moments."""

from __future__ import annotations

import time

from tests.chaos.scene import Member, Scene
from tests.support.processes import wait_until

_BACKLOG = 3000
_FIRST_EVENT_SECONDS = 60.0


def only_member(scene: Scene, kills: int) -> None:
    """Static membership: who comes back under its name within the session keeps its partitions."""
    member = scene.add_member(group_instance_id="the-only-one", session_timeout_ms=30_000)
    vary(scene)
    for _ in range(kills):
        scene.keep_backlog(_BACKLOG)
        scene.start(member)
        if scene.random.random() < 0.25:
            time.sleep(scene.random.uniform(0.0, 2.0))  # somewhere in its start
        else:
            wait_for_more(scene, member, scene.random.randrange(1, _BACKLOG // 2))
        _kill(scene, member)
        scene.wait_quiet(member)


def one_of_three(scene: Scene, kills: int, protocol: str = "classic") -> None:
    """Any of three; the others take its partitions over when its session has ended, and it joins again at once."""
    members = [scene.add_member(group_protocol=protocol, session_timeout_ms=3000) for _ in range(3)]
    vary(scene)
    scene.keep_backlog(_BACKLOG)
    for member in members:
        scene.start(member)
    scene.wait_delivered(1)
    for _ in range(kills):
        scene.keep_backlog(2 * _BACKLOG)
        time.sleep(scene.random.uniform(0.3, 2.0))
        victim = scene.random.choice(members)
        _kill(scene, victim)
        scene.wait_quiet(victim)
        scene.start(victim)


def five_times(scene: Scene, events: int) -> None:
    """No static name and a session of 6 s: each time the group waits for the dead one before it lets the new one in."""
    member = scene.add_member(session_timeout_ms=6000)
    scene.slow_endpoint(0.02, 0.1)
    scene.produce(events)
    for _ in range(5):
        scene.start(member)
        wait_for_more(scene, member, events // 10)
        _kill(scene, member)
        scene.wait_quiet(member)


def _kill(scene: Scene, member: Member) -> None:
    time.sleep(scene.random.uniform(0.0, 0.3))
    scene.kill(member)
    scene.incidents += 1
    scene.tell(f"kill {scene.incidents}, {scene.delivered()} delivered")


def vary(scene: Scene) -> None:
    """Each run has its own sizes of batches, its own ordering and its own endpoint."""
    ordering = scene.random.choice(("key", "key", "partition", "none"))
    # by partition one request of each is in flight: small batches would take minutes
    events_max = scene.random.choice((20, 100) if ordering == "partition" else (5, 20, 100))
    if ordering == "none":
        scene.account.ordered = False
    for member in scene.members:
        member.settings["delivery"] |= {"ordering": ordering, "batch": {"events_max": events_max}}
    slowest = scene.random.choice((0.05, 0.2, 0.5))
    scene.slow_endpoint(slowest / 5, slowest)
    scene.tell(f"batches of {events_max}, ordering {ordering}, answers within {slowest:g} s")


def wait_for_more(scene: Scene, member: Member, events: int) -> None:
    """Until it has delivered so many more. A fast one may have delivered all there was: then more is produced."""
    before = member.sandbox.summary().accepted

    def delivered() -> bool:
        if member.sandbox.summary().accepted >= before + events:
            return True
        scene.keep_backlog(events)
        return False

    what = f"{events} more events from member {member.slot}"
    wait_until(delivered, _FIRST_EVENT_SECONDS, what, member.running.process)
