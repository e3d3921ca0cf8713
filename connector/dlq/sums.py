"""The counts of `dlq list`: by reason, stage, field, topic and day; bounded, whatever the letters say."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from connector.dlq.letter import Letter

_NAMES_MAX = 1_000
_NAME_LENGTH_MAX = 200
OTHERS = "(others)"
"""Counts what came after so many different names."""
UNKNOWN = "(not told)"
_INDEX = re.compile(r"\[\d+\]")


class Sums:
    def __init__(self) -> None:
        self.total = 0
        self.replayed = 0
        """Those of them that a replay has sent again."""
        self.by_reason: Counter[str] = Counter()
        self.by_stage: Counter[str] = Counter()
        self.by_topic: Counter[str] = Counter()
        self.by_field: Counter[str] = Counter()
        self.by_day: Counter[str] = Counter()

    def add(self, letter: Letter, *, replayed: bool) -> None:
        facts = letter.facts
        self.total += 1
        self.replayed += replayed
        _count(self.by_reason, facts.reason or facts.error_class)
        _count(self.by_stage, facts.stage)
        _count(self.by_topic, facts.origin.topic)
        if facts.field:
            _count(self.by_field, _INDEX.sub("[]", facts.field))
        failed_at = letter.failed_at
        _count(self.by_day, None if failed_at is None else failed_at[:10])

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "replayed": self.replayed,
            "by_reason": _descending(self.by_reason),
            "by_stage": _descending(self.by_stage),
            "by_topic": _descending(self.by_topic),
            "by_field": _descending(self.by_field),
            "by_day": dict(sorted(self.by_day.items())),
        }


def _count(counts: Counter[str], name: str | None) -> None:
    name = UNKNOWN if name is None else name[:_NAME_LENGTH_MAX]
    counts[name if name in counts or len(counts) < _NAMES_MAX else OTHERS] += 1


def _descending(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common())
