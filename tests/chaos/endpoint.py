"""Trouble of the endpoint: nobody's reject, and it ends without a hand. Events that it refuses, too."""

from __future__ import annotations

import time

from connector.airship.sandbox import DropFault, StatusFault
from connector.airship.sandbox.fault_rules import Rule
from tests.chaos.account import Nature
from tests.chaos.scene import Member, Scene


def window(scene: Scene, rule: Rule, seconds: float, events: int) -> None:
    """The fault stands for `seconds` in the middle of the flow, then ends."""
    member = _flowing(scene, events)
    scene.wait_delivered(events // 10)
    end = scene.set_fault(rule)
    scene.incidents += 1
    with scene.recovering():
        time.sleep(seconds)  # how long the trouble lasts
        end()
    assert member.running.process.is_running, member.running.process.explain("ended in the trouble")


def unauthorized(scene: Scene, events: int, seconds: float) -> None:
    window(scene, StatusFault(status=401, body="text"), seconds, events)


def unavailable(scene: Scene, events: int, seconds: float) -> None:
    window(scene, StatusFault(status=503, body="html"), seconds, events)


def throttled(scene: Scene, events: int, seconds: float) -> None:
    """Each answer is a 429 that asks for three seconds: none of them may go unheard."""
    window(scene, StatusFault(status=429, retry_after=3), seconds, events)


def unreachable(scene: Scene, events: int, seconds: float) -> None:
    """The port is closed, every connection is cut; requests that were being answered are ambiguous."""
    _flowing(scene, events)
    scene.wait_delivered(events // 10)
    scene.cut(seconds)
    scene.incidents += 1
    with scene.recovering():
        time.sleep(seconds)


def dropped_answers(scene: Scene, events: int, share: float) -> None:
    """The events are stored and the connection ends without an answer: a copy of each request is the price."""
    _flowing(scene, events, DropFault(stored=True, share=share), DropFault(stored=True, share=share / 2, how="reset"))
    scene.wait_delivered(events)
    scene.incidents += scene.members[0].sandbox.summary().requests_by_status.get("none", 0)


def refused_events(scene: Scene, events: int, refused: int) -> None:
    """Among the good ones, and one refuses its whole request. What is good is delivered, once."""
    _flowing(scene, events, bad={Nature.REFUSED: refused})
    scene.incidents += refused


def not_json(scene: Scene, events: int, bad: int) -> None:
    _flowing(scene, events, bad={Nature.NOT_JSON: bad})
    scene.incidents += bad


def _flowing(scene: Scene, events: int, *rules: Rule, bad: dict[Nature, int] | None = None) -> Member:
    member = scene.add_member()
    scene.slow_endpoint(0.02, 0.1)
    for rule in rules:
        scene.set_fault(rule)
    scene.produce(events, bad)
    scene.start(member)
    return member
