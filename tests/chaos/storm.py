"""Everything at random, one thing after the other, in a group of two to three members."""

from __future__ import annotations

import time
from collections.abc import Callable

from connector.airship.sandbox import DropFault, StatusFault
from tests.chaos.account import Nature
from tests.chaos.kills import vary
from tests.chaos.scene import Member, Scene

_BACKLOG = 3000


def storm(scene: Scene, incidents: int) -> None:
    """Kills, stops, starts, windows of the endpoint, lost answers, bad records among the good ones."""
    members = [scene.add_member(session_timeout_ms=4000) for _ in range(3)]
    vary(scene)
    scene.set_fault(StatusFault(status=500, share=0.03, body="html"))
    scene.set_fault(DropFault(stored=True, share=0.02))
    scene.keep_backlog(_BACKLOG)
    for member in members[:2]:
        scene.start(member)
    scene.wait_delivered(1)
    happenings: list[Callable[[Scene, Member], str]] = [_kill, _kill, _stop, _unavailable, _unauthorized, _cut]
    for _ in range(incidents):
        scene.keep_backlog(_BACKLOG)
        scene.produce(100, {Nature.NOT_JSON: 2, Nature.REFUSED: 1})
        time.sleep(scene.random.uniform(0.2, 2.0))
        member = scene.random.choice(members)
        if member.connector is None:
            scene.start(member)
            what = "started"
        else:
            what = scene.random.choice(happenings)(scene, member)
        scene.incidents += 1
        scene.tell(f"incident {scene.incidents}: member {member.slot} {what}, {scene.delivered()} delivered")


def _kill(scene: Scene, member: Member) -> str:
    scene.kill(member)
    scene.wait_quiet(member)
    return "killed"


def _stop(scene: Scene, member: Member) -> str:
    if sum(other.connector is not None for other in scene.members) == 1:
        return "left alone, as the last one"
    scene.stop(member)
    return "stopped"


def _unavailable(scene: Scene, member: Member) -> str:
    scene.set_fault(StatusFault(status=503, for_seconds=scene.random.uniform(0.5, 3.0)))
    return "and all others meet 503"


def _unauthorized(scene: Scene, member: Member) -> str:
    scene.set_fault(StatusFault(status=401, body="text", for_seconds=scene.random.uniform(0.5, 3.0)))
    return "and all others meet 401"


def _cut(scene: Scene, member: Member) -> str:
    scene.cut(scene.random.uniform(0.2, 1.0))
    return "and all others are cut off"
