"""The latest snapshot as JSON.

Pure: clocks are handed in. In a snapshot times are the loop's; in here they become ISO 8601 and seconds ago.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from connector.admin.advice import advice_for
from connector.admin.headline import Moment, headline
from connector.core.records import TopicPartition
from connector.core.snapshot import BreakerState, PartitionState, RejectCount, Snapshot, Trouble


def status(
    snapshot: Snapshot | None, stalled: str | None, moment: Moment, *, group: str, version: str
) -> dict[str, Any]:
    """Everything that `/status.json` says."""
    head = headline(snapshot, stalled, moment)
    not_ready = stalled or ("starting: not yet connected" if snapshot is None else snapshot.not_ready())
    shown: dict[str, Any] = {
        "time": moment.iso(moment.loop_seconds),
        "version": version,
        "group": group,
        "headline": {
            "state": head.state,
            "tone": head.tone,
            "text": head.text,
            "detail": head.detail,
            **_since(head.since, moment),
        },
        "ready": not_ready is None,
        "not_ready": not_ready,
    }
    return shown if snapshot is None else {**shown, **_reported(snapshot, moment)}


def _reported(snapshot: Snapshot, moment: Moment) -> dict[str, Any]:
    """What the loop reported."""
    delivered = snapshot.last_delivery
    return {
        "phase": snapshot.phase,
        "reported_seconds_ago": moment.ago(snapshot.taken),
        "troubles": [_trouble(trouble, moment) for trouble in snapshot.troubles],
        "lag": snapshot.lag,
        "rates": asdict(snapshot.rates),
        "window": {
            "records": snapshot.window_records,
            "records_max": snapshot.window_records_max,
            "bytes": snapshot.window_bytes,
            "bytes_max": snapshot.window_bytes_max,
            "pauses": snapshot.pauses,
        },
        "requests": {
            "in_flight": snapshot.requests_in_flight,
            "max": snapshot.requests_max,
            "batches_waiting": snapshot.batches_waiting,
        },
        "breaker": _breaker(snapshot.breaker, moment),
        "dead_letters_waiting": snapshot.dead_letters_waiting,
        "last_delivery": None if delivered is None else moment.iso(delivered),
        "last_delivery_seconds_ago": None if delivered is None else moment.ago(delivered),
        "rejects": [_rejects(reject, moment) for reject in sorted(snapshot.rejects, key=_most_first)],
        "partitions": [_partition(state, moment) for state in sorted(snapshot.partitions, key=_by_name)],
    }


def _most_first(reject: RejectCount) -> tuple[int, str, str]:
    return -reject.count, reject.stage, reject.reason


def _by_name(state: PartitionState) -> TopicPartition:
    return state.name


def _rejects(reject: RejectCount, moment: Moment) -> dict[str, Any]:
    return {
        "stage": reject.stage,
        "reason": reject.reason,
        "count": reject.count,
        "last": moment.iso(reject.last),
        "last_seconds_ago": moment.ago(reject.last),
        "fault": reject.fault,
    }


def _breaker(breaker: BreakerState, moment: Moment) -> dict[str, Any]:
    attempt = breaker.next_attempt
    return {
        "state": breaker.state,
        "reason": breaker.reason,
        **_since(breaker.since, moment),
        "next_attempt_in_seconds": None if attempt is None else round(max(0.0, attempt - moment.loop_seconds), 1),
    }


def _since(since: float | None, moment: Moment) -> dict[str, Any]:
    if since is None:
        return {"since": None, "for_seconds": None}
    return {"since": moment.iso(since), "for_seconds": moment.ago(since)}


def _trouble(trouble: Trouble, moment: Moment) -> dict[str, Any]:
    advice = advice_for(trouble)
    return {
        "side": trouble.side,
        "reason": trouble.reason,
        "title": advice.title,
        "detail": trouble.detail,
        "mend": advice.mend,
        "stops_delivery": trouble.stops_delivery,
        **_since(trouble.since, moment),
    }


def _partition(state: PartitionState, moment: Moment) -> dict[str, Any]:
    oldest = None if state.oldest_ms is None else round(max(0.0, moment.wall_seconds - state.oldest_ms / 1000.0), 1)
    return {
        "topic": state.name.topic,
        "partition": state.name.partition,
        "position": state.position,
        "settled": state.settled,
        "committed": state.committed,
        "end": state.end,
        "lag": state.lag,
        "window_records": state.window_records,
        "window_bytes": state.window_bytes,
        "paused": state.paused,
        "dead_letters_waiting": state.dead_letters_waiting,
        "oldest_seconds": oldest,
    }
