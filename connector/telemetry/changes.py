"""What changed from one snapshot to the next, as log lines: what began to be in the way, and how long it lasted."""

from __future__ import annotations

from connector.core.snapshot import Snapshot
from connector.telemetry.logs import EventLog


def tell_changes(log: EventLog, before: Snapshot | None, after: Snapshot) -> None:
    _tell_troubles(log, before, after)
    was = before.breaker.state if before else "closed"
    if was == "closed" and after.breaker.state != "closed":
        log.error("breaker open: requests are held back", reason=after.breaker.reason)
    elif was != "closed" and after.breaker.state == "closed":
        log.info("breaker closed: requests flow again")


def _tell_troubles(log: EventLog, before: Snapshot | None, after: Snapshot) -> None:
    known = {(trouble.side, trouble.reason): trouble for trouble in before.troubles} if before else {}
    current = {(trouble.side, trouble.reason) for trouble in after.troubles}
    for trouble in after.troubles:
        if (trouble.side, trouble.reason) not in known:
            log.error(
                "delivery waits" if trouble.stops_delivery else "trouble",
                side=trouble.side,
                reason=trouble.reason,
                detail=trouble.detail,
            )
    for key, trouble in known.items():
        if key not in current:
            seconds = round(after.taken - trouble.since, 1)
            log.info("trouble is over", side=trouble.side, reason=trouble.reason, lasted_seconds=seconds)
