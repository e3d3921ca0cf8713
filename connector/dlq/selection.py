"""The filters: which letters a command is about. Every filter that is given must match; of several values one must."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.dlq.letter import Letter, iso
from connector.errors import SettingsError

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,6})([smhdw])")


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty means any. `since` and `until` are ISO 8601 in UTC with milliseconds, so they compare as text."""

    reasons: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    schema_ids: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    """A letter that names no group matches any."""
    since: str | None = None
    until: str | None = None
    text: bytes | None = None
    """Somewhere in the message's value or key."""

    def matches(self, letter: Letter) -> bool:
        facts = letter.facts
        if self.reasons and facts.reason not in self.reasons:
            return False
        if self.stages and facts.stage not in self.stages:
            return False
        if self.fields and facts.field not in self.fields:
            return False
        if self.topics and facts.origin.topic not in self.topics:
            return False
        if self.schema_ids and not self._has_schema(facts.schema_id):
            return False
        if self.groups and facts.group is not None and facts.group not in self.groups:
            return False
        if (self.since or self.until) and not self._in_time(letter.failed_at):
            return False
        return self.text is None or self._has_text(letter)

    def _has_schema(self, schema_id: str | None) -> bool:
        """`id:42` may be asked for as `42`."""
        return schema_id is not None and (
            schema_id in self.schema_ids or schema_id.partition(":")[2] in self.schema_ids
        )

    def _in_time(self, failed_at: str | None) -> bool:
        if failed_at is None:
            return False
        return (self.since is None or failed_at >= self.since) and (self.until is None or failed_at < self.until)

    def _has_text(self, letter: Letter) -> bool:
        assert self.text is not None
        return any(self.text in part for part in (letter.record.value(), letter.record.key()) if part is not None)


def moment(option: str, told: str, now: datetime) -> str:
    """`2h` ago, a day, or a time (UTC unless it says otherwise), as Selection compares them. Raises SettingsError."""
    ago = _AGO.fullmatch(told)
    try:
        if ago is not None:
            found = now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        else:
            found = datetime.fromisoformat(told)
            found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        text = iso(found.timestamp())
    except (ValueError, OverflowError):
        text = None
    if text is None:
        expected = "expected 30m, 12h or 7d ago, a day such as 2026-05-31, or a time such as 2026-05-31T08:00:00Z"
        raise SettingsError([f"{option}: found {told!r}, {expected}"])
    return text
