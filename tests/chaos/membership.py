"""SIGTERM at random moments, members that join and leave, and zombies: members that stand still past their session."""

from __future__ import annotations

import signal
import time

from tests.chaos.kills import vary, wait_for_more
from tests.chaos.scene import Member, Scene
from tests.support.processes import wait_until

_BACKLOG = 3000
_TOLD_SECONDS = 60.0
_TAKE_OVER_SECONDS = 60.0
_LAST_SIGNAL_SECONDS = 15.0
_SESSION_MS = 3000
_ON_ITS_WAY_SECONDS = 0.5
"""What a zombie had sent when it was told may be read by its endpoint only now."""


def sigterm_storm(scene: Scene, stops: int) -> None:
    """SIGTERM at any moment after the start, and a new one at once. It stops in time, with 0, and repeats nothing."""
    member = scene.add_member()
    vary(scene)
    for _ in range(stops):
        scene.keep_backlog(_BACKLOG)
        scene.start(member)
        _live_a_while(scene, member)
        asked = time.monotonic()
        scene.stop(member)
        scene.incidents += 1
        scene.tell(f"stop {scene.incidents} took {time.monotonic() - asked:.1f} s, {scene.delivered()} delivered")


def impatient_sigterm(scene: Scene, stops: int) -> None:
    """A second SIGTERM within the drain ends it at once: what a kill would repeat may be repeated, and no more."""
    member = scene.add_member()
    vary(scene)
    for _ in range(stops):
        scene.keep_backlog(_BACKLOG)
        scene.start(member)
        _live_a_while(scene, member)
        process = member.running.process
        at = time.time()
        for _ in range(scene.random.randrange(2, 5)):
            process.terminate()
            time.sleep(scene.random.uniform(0.0, 0.05))
        code = process.wait(_LAST_SIGNAL_SECONDS)
        # the last one may come when the handlers are gone already, with all else done
        assert code in {0, -signal.SIGTERM}, process.explain(f"ended with {code}")
        scene.note_exposure(member, at)
        member.connector = None
        scene.incidents += 1
        scene.tell(f"stop {scene.incidents}, {scene.delivered()} delivered")


def join_and_leave(scene: Scene, moves: int, protocol: str = "classic") -> None:
    """A second and a third member join and leave by SIGTERM, in any order; one always stays."""
    members = [scene.add_member(group_protocol=protocol) for _ in range(3)]
    vary(scene)
    scene.keep_backlog(_BACKLOG)
    scene.start(members[0])
    wait_for_more(scene, members[0], 1)
    for _ in range(moves):
        scene.keep_backlog(2 * _BACKLOG)
        present = [member for member in members if member.connector is not None]
        mover = scene.random.choice(members)
        if mover.connector is None:
            scene.start(mover)
            _wait_until_it_holds(mover)
        elif len(present) > 1:
            scene.stop(mover)
        else:
            continue
        scene.incidents += 1
        time.sleep(scene.random.uniform(0.0, 2.0))
        scene.tell(f"move {scene.incidents}, {scene.delivered()} delivered")


def zombie(scene: Scene, stills: int, protocol: str = "classic") -> None:
    """One of two is stopped by SIGSTOP until the other has taken its partitions over, and wakes up."""
    members = [scene.add_member(group_protocol=protocol, session_timeout_ms=_SESSION_MS) for _ in range(2)]
    vary(scene)
    scene.keep_backlog(_BACKLOG)
    for member in members:
        scene.start(member)
    for _ in range(stills):
        for member in members:
            _wait_until_it_holds(member)
        scene.keep_backlog(3 * _BACKLOG)
        still, other = scene.random.sample(members, 2)
        wait_for_more(scene, still, scene.random.randrange(1, 500))
        before, at = still.lost_partitions(), time.time()
        still.running.process.freeze()
        held = scene.committed()
        _wait_until_it_reports(other, at)
        _wait_until_it_holds(other, 6)
        taken = time.time() - at
        wait_for_more(scene, other, scene.random.randrange(1, 500))
        woken = time.time()
        still.running.process.thaw()
        _wait_until_told(still, before)
        told = time.time()
        scene.note_exposure(still, at, held, until=told + _ON_ITS_WAY_SECONDS)
        _wait_until_it_reports(still, told)
        scene.incidents += 1
        scene.tell(
            f"zombie {scene.incidents}: taken over after {taken:.1f} s, stood {woken - at:.1f} s, told after "
            f"{told - woken:.2f} s, {scene.delivered()} delivered"
        )


def _live_a_while(scene: Scene, member: Member) -> None:
    """Until its signal handlers stand at least, or until it has delivered something."""
    member.wait_alive()
    if scene.random.random() < 0.25:
        time.sleep(scene.random.uniform(0.0, 1.5))  # somewhere in its joining
    else:
        wait_for_more(scene, member, scene.random.randrange(1, _BACKLOG // 2))


def _wait_until_it_holds(member: Member, partitions: int = 1) -> None:
    def holds() -> bool:
        return member.running.get("/livez")[0] == 200 and len(member.running.status()["partitions"]) >= partitions

    process = member.running.process
    wait_until(holds, _TAKE_OVER_SECONDS, f"it to hold {partitions} partitions", process)


def _wait_until_told(member: Member, before: int) -> None:
    """A member that slept is told by the group that its partitions are not its own any more."""
    process = member.running.process
    wait_until(lambda: member.lost_partitions() > before, _TOLD_SECONDS, "the zombie to be told", process)


def _wait_until_it_reports(member: Member, since: float) -> None:
    """What a member holds is published once a second: before that it shows what it held earlier."""

    def reported() -> bool:
        return float(member.running.status()["reported_seconds_ago"]) < time.time() - since

    wait_until(reported, _TOLD_SECONDS, "it to report what it holds", member.running.process)
