"""What the connector is doing, in one line: the worst thing that is true. Pure: the clocks are handed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from connector.admin.advice import advice_for
from connector.core.snapshot import Snapshot

OUTDATED_SECONDS = 10.0
"""A snapshot is published about once a second."""

Tone: TypeAlias = Literal["good", "busy", "waiting", "bad"]

State: TypeAlias = Literal[
    "stalled",
    "starting",
    "stopped",
    "silent",
    "blocked",
    "breaker_open",
    "draining",
    "joining",
    "standby",
    "idle",
    "delivering",
    "catching_up",
    "waiting",
]


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on both clocks."""

    loop_seconds: float
    wall_seconds: float

    def iso(self, loop_seconds: float) -> str:
        wall = self.wall_seconds - (self.loop_seconds - loop_seconds)
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def ago(self, loop_seconds: float) -> float:
        return round(max(0.0, self.loop_seconds - loop_seconds), 1)


class Headline(NamedTuple):
    state: State
    tone: Tone
    text: str
    detail: str
    since: float | None


def headline(snapshot: Snapshot | None, stalled: str | None, moment: Moment) -> Headline:
    """The first of these that is true, the worst first."""
    if stalled is not None:
        return Headline("stalled", "bad", "Not delivering: the loop stands still", stalled, None)
    if snapshot is None or snapshot.phase == "starting":
        troubles = snapshot.troubles if snapshot else ()
        detail = troubles[0].detail if troubles else "Connecting to Kafka."
        return Headline("starting", "waiting", "Starting", detail, troubles[0].since if troubles else None)
    if snapshot.phase == "stopped":
        return Headline("stopped", "waiting", "Stopped", "What was settled is committed.", None)
    if moment.ago(snapshot.taken) > OUTDATED_SECONDS:
        ago = f"Its last report is {moment.ago(snapshot.taken):.0f} s old."
        return Headline("silent", "bad", "The loop is busy with one thing for long", ago, snapshot.taken)
    if snapshot.blocked:
        trouble = snapshot.blocked[0]
        return Headline("blocked", "bad", f"Not delivering: {advice_for(trouble).title}", trouble.detail, trouble.since)
    breaker = snapshot.breaker
    if breaker.state != "closed":
        return Headline(
            "breaker_open",
            "bad",
            "Not delivering: Airship fails too often",
            _next_attempt(snapshot, moment),
            breaker.since,
        )
    if snapshot.phase == "draining":
        return Headline("draining", "waiting", "Stopping: finishing what is in flight", "", None)
    return _flowing(snapshot, moment)


def _flowing(snapshot: Snapshot, moment: Moment) -> Headline:
    if not snapshot.joined:
        return Headline(
            "joining", "waiting", "Waiting for the consumer group", "It has not assigned partitions yet.", None
        )
    if not snapshot.partitions:
        detail = "The group has more members than partitions; this one stands by."
        return Headline("standby", "good", "Standing by: no partitions", detail, None)
    lag, rate = snapshot.lag, snapshot.rates.delivered
    if lag == 0 and not snapshot.window_records:
        return Headline("idle", "good", "Up to date", "Everything in the topics is settled.", None)
    if rate > 0:
        detail = f"{lag:,} records behind{_remaining(lag, rate)}." if lag else "Up to date within the window."
        behind = lag is not None and lag > max(1000.0, rate * 10)
        return Headline(
            "catching_up" if behind else "delivering", "busy" if behind else "good", _delivers(behind), detail, None
        )
    if snapshot.breaker.reason:
        detail = _next_attempt(snapshot, moment)
        return Headline("waiting", "waiting", "Requests fail and are tried again", detail, snapshot.last_delivery)
    if snapshot.rates.read > 0 or snapshot.requests_in_flight:
        return Headline(
            "delivering", "busy", "Working", "Nothing was accepted in the last seconds.", snapshot.last_delivery
        )
    text = "Nothing moves yet" if snapshot.lag is None else "Records wait, nothing moves"
    return Headline("waiting", "waiting", text, _held_back(snapshot), snapshot.last_delivery)


def _delivers(behind: bool) -> str:
    return "Delivering, and catching up" if behind else "Delivering"


def _remaining(lag: int, rate: float) -> str:
    seconds = lag / rate
    if seconds < 10:
        return ""
    if seconds < 120:
        return f", about {seconds:.0f} s at this rate"
    if seconds < 7200:
        return f", about {seconds / 60:.0f} min at this rate"
    return f", about {seconds / 3600:.0f} h at this rate"


def _held_back(snapshot: Snapshot) -> str:
    if snapshot.dead_letters_waiting:
        return f"{snapshot.dead_letters_waiting:,} dead letters have no delivery report yet."
    if snapshot.batches_waiting:
        return f"{snapshot.batches_waiting:,} batches wait for their next attempt."
    if snapshot.lag is None:
        return "How far behind it is is not known yet: the brokers were not asked, or do not answer."
    return "Reading has not begun, or the brokers do not answer."


def _next_attempt(snapshot: Snapshot, moment: Moment) -> str:
    breaker = snapshot.breaker
    if breaker.next_attempt is None:
        return breaker.reason
    seconds = max(0.0, breaker.next_attempt - moment.loop_seconds)
    return f"{breaker.reason}{'. ' if breaker.reason else ''}Next attempt in {seconds:.0f} s."
