"""A judgement as one line of JSON, for programs. Events stand in it as they would be sent, digit for digit."""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

from connector.core.records import SourceRecord
from connector.preview.judge import Judgement
from connector.preview.tally import Tally

_encode = msgspec.json.Encoder().encode
_LINE_FEEDS = bytes.maketrans(b"\r\n", b"  ")


class JsonLines:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def message(self, record: SourceRecord, judged: Judgement) -> None:
        self._stream.write(json_line(record, judged) + b"\n")

    def end(self, _tally: Tally) -> None:
        """No sums: a program that reads the lines has them."""
        self._stream.flush()


def json_line(record: SourceRecord, judged: Judgement) -> bytes:
    """Without the line feed at its end."""
    reject = judged.reject
    line: dict[str, Any] = {
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "outcome": judged.outcome,
        "route": judged.route,
        # In JSON a line feed stands between tokens only, so a blank means the same.
        "events": [msgspec.Raw(event.translate(_LINE_FEEDS)) for event in judged.events],
        "stage": reject.stage if reject is not None else None,
        "reason": reject.reason if reject is not None else judged.skipped,
        "faults": [{name: _sendable(text) for name, text in fault._asdict().items()} for fault in judged.faults],
    }
    return _encode(line)


def _sendable(text: str) -> str:
    """Half a surrogate pair has no UTF-8; the dead letter's headers do the same."""
    return text.encode("utf-8", "replace").decode()
