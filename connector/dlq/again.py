"""A dead letter on its way through the engine again: as its origin topic's record to the intake, as itself to the rest.

A second refusal writes it to the dead letters with the headers that it has here: the message's own, its first origin,
the attempts so far, and one more replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connector.core.records import PreparedRun, SourceRecord
from connector.dlq.choosing import Chosen
from connector.dlq.facts import Headers
from connector.dlq.letter import Message
from connector.intake import Intake
from connector.kafka import letter_format as names


class Again:
    """Fulfils SourceRecord: the letter's own place, the message's content."""

    def __init__(self, chosen: Chosen) -> None:
        self.letter, self.message = chosen

    def topic(self) -> str:
        return self.letter.record.topic()

    def partition(self) -> int:
        return self.letter.record.partition()

    def offset(self) -> int:
        return self.letter.record.offset()

    def key(self) -> bytes | None:
        return self.message.key()

    def value(self) -> bytes | None:
        return self.message.value()

    def timestamp(self) -> tuple[int, int]:
        return self.message.timestamp()

    def headers(self) -> Headers | None:
        return [
            *(self.message.headers() or []),
            *_history(self.message, self.letter.facts.attempts, self.letter.replays),
        ]


def _history(message: Message, attempts: int, replays: int) -> Headers:
    kind, milliseconds = message.timestamp()
    origin = [
        (names.TOPIC, message.topic()),
        (names.PARTITION, str(message.partition())),
        (names.OFFSET, str(message.offset())),
        (names.ORIGINAL_TIMESTAMP, str(milliseconds) if kind else None),
        (names.ATTEMPTS, str(attempts)),
        (names.REPLAYS, str(replays + 1)),
    ]
    return [(name, text.encode()) for name, text in origin if text is not None]


class UnwrappingIntake:
    """Prepares each letter as its origin topic's routes do, whatever topic it lies in."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def prepare(self, _topic: str, records: Sequence[SourceRecord], now_seconds: float) -> PreparedRun:
        whole = PreparedRun()
        for place, record in enumerate(records):
            assert isinstance(record, Again)
            run = self._intake.prepare(record.message.topic(), [record.message], now_seconds)
            if run.wait is not None:
                whole.rest, whole.wait = records[place:], run.wait
                return whole
            offset = record.offset()
            whole.entries += [(offset, key, body, record, weight) for _, key, body, _, weight in run.entries]
            whole.skipped += [(offset, reason) for _, reason in run.skipped]
            whole.rejects += [replace(reject, record=record) for reject in run.rejects]
        return whole
