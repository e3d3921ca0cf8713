"""What became of many messages: sums by outcome, by reason, by field. Holds no message."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from connector.preview.judge import Judgement

_POSITIONS = re.compile(r"\[\d+\]")
_FIELDS_MAX = 1_000
"""Kept apart for each reason; names of `properties` are the messages' own, and there may be no end of them."""
OTHER_FIELDS = "other fields"


class RejectKind(NamedTuple):
    stage: str
    reason: str


class Tally:
    def __init__(self) -> None:
        self.messages = 0
        self.sent = 0
        self.events = 0
        self.by_route: Counter[str] = Counter()
        """Messages that would be sent."""
        self.skipped: Counter[str] = Counter()
        self.rejected: Counter[RejectKind] = Counter()
        self.fields: dict[RejectKind, Counter[str]] = {}
        """Messages with a fault there; positions in arrays are left out, `lines[].price`."""

    def add(self, judged: Judgement) -> None:
        self.messages += 1
        match judged.outcome:
            case "event":
                self.sent += 1
                self.events += len(judged.events)
                self.by_route[judged.route or ""] += 1
            case "skip":
                self.skipped[judged.skipped or ""] += 1
            case "reject":
                self._add_reject(judged)

    @property
    def rejects(self) -> int:
        return self.rejected.total()

    def _add_reject(self, judged: Judgement) -> None:
        assert judged.reject is not None
        kind = RejectKind(judged.reject.stage, judged.reject.reason)
        self.rejected[kind] += 1
        fields = self.fields.setdefault(kind, Counter())
        for field in dict.fromkeys(_POSITIONS.sub("[]", fault.field) or "event" for fault in judged.faults):
            fields[field if field in fields or len(fields) < _FIELDS_MAX else OTHER_FIELDS] += 1
