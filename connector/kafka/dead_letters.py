"""The only user of the Kafka producer: writes rejects to the dead-letter topic.

Key, value and headers of the record stay byte for byte, so that it can be replayed; the timestamp is the current one
(the original is in a header), for a topic's retention would delete an old one at once. What a record would need above
the topic's size limit is left out in steps; the last is a record that only points at its origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connector import __version__
from connector.core.records import Reject, SourceRecord
from connector.core.reject_queue import DeadLetter

_CONNECT = "__connect.errors."
_OWN = "airship-connector."
_HEADER_BYTES_MAX = 4096
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_FULL, _FULL_AGAIN, _SHORT, _POINTER = range(4)


class ReportListener(Protocol):
    def dead_letter_reported(self, letter_id: int) -> None: ...
    def dead_letter_failed(self, letter_id: int, detail: str) -> None: ...
    def dead_letter_not_taken(self, letter_id: int) -> None: ...


class DeadLetters:
    """`serve` delivers the reports, on the calling thread."""

    def __init__(self, properties: Mapping[str, Any], topic: str, group: str, listener: ReportListener) -> None:
        self.topic = topic
        self._group = group
        self._listener = listener
        self._producer = Producer(dict(properties))
        self._failure: BaseException | None = None

    def write(self, letter: DeadLetter, traceparent: str | None) -> None:
        """Gives it to the producer; the listener hears the report, or that it was not taken."""
        self._produce(letter, traceparent, _FULL)

    def serve(self) -> None:
        self._producer.poll(0)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self, seconds: float) -> int:
        """Waits for reports that are due. Gives how many are still without one: their records are not settled."""
        left: int = self._producer.flush(seconds)
        return left

    def _produce(self, letter: DeadLetter, traceparent: str | None, step: int) -> None:
        record = letter.reject.record
        headers = headers_of(letter.reject, self._group, traceparent, short=step >= _SHORT)
        value = None if step == _POINTER else record.value()
        if step == _POINTER:
            headers.append((_OWN + "pointer", b"true"))
        try:
            self._producer.produce(
                self.topic,
                key=record.key(),
                value=value,
                headers=headers,  # type: ignore[arg-type]  # a list is invariant, and this one is read only
                on_delivery=self._report(letter, traceparent, step),
            )
        except BufferError:
            self._listener.dead_letter_not_taken(letter.letter_id)
        except KafkaException as error:
            self._refused(letter, traceparent, step, error.args[0])

    def _report(
        self, letter: DeadLetter, traceparent: str | None, step: int
    ) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, _message: Message) -> None:
            try:
                if error is None:
                    self._listener.dead_letter_reported(letter.letter_id)
                else:
                    self._refused(letter, traceparent, step, error)
            except BaseException as failure:  # noqa: BLE001  raised by `serve`, which ran this callback
                self._failure = self._failure or failure

        return report

    def _refused(self, letter: DeadLetter, traceparent: str | None, step: int, error: KafkaError) -> None:
        """Too large: first again alone, for one such record makes its whole produce request fail; then less of it."""
        if error.code() in _TOO_LARGE and step < _POINTER:
            self._produce(letter, traceparent, step + 1)
        else:
            self._listener.dead_letter_failed(letter.letter_id, f"{error.name()}: {error.str()}")


def headers_of(reject: Reject, group: str, traceparent: str | None, *, short: bool) -> list[tuple[str, bytes | None]]:
    """The record's own headers, then those that say why it is here. A header of an earlier failure is replaced."""
    record = reject.record
    own = record.headers() or []
    earlier = {name: value for name, value in own if name.startswith((_CONNECT, _OWN))}
    headers = [(name, value) for name, value in own if name not in earlier]
    facts = _origin(record, earlier)
    facts |= {
        _CONNECT + "connector.name": "airship-connector",
        _CONNECT + "stage": reject.stage,
        _CONNECT + "exception.class.name": reject.error_class or None,
        _CONNECT + "exception.message": None if short else reject.message,
        _OWN + "reason": reject.reason,
        _OWN + "field": reject.faults[0].field if reject.faults else None,
        _OWN + "http-status": None if reject.http_status is None else str(reject.http_status),
        _OWN + "answer": None if short else reject.answer,
        _OWN + "attempts": str(reject.attempts + _number(earlier.get(_OWN + "attempts"))),
        _OWN + "schema-id": reject.schema_id,
        _OWN + "group": group,
        _OWN + "failed-at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        _OWN + "version": __version__,
        _OWN + "traceparent": traceparent,
        _OWN + "replays": str(_number(earlier.get(_OWN + "replays"))),
    }
    headers += [(name, _bounded(text)) for name, text in facts.items() if text is not None]
    return headers


def _bounded(text: str) -> bytes:
    """UTF-8, cut between two characters. What an endpoint told may hold half a surrogate pair, which UTF-8 has not."""
    whole = text.encode("utf-8", "replace")
    return whole if len(whole) <= _HEADER_BYTES_MAX else whole[:_HEADER_BYTES_MAX].decode("utf-8", "ignore").encode()


def _origin(record: SourceRecord, earlier: Mapping[str, bytes | None]) -> dict[str, str | None]:
    """Where the record came from first: a replayed one keeps the origin of its first failure."""
    if _OWN + "replays" in earlier and _CONNECT + "topic" in earlier:
        names = [_CONNECT + "topic", _CONNECT + "partition", _CONNECT + "offset", _OWN + "original-timestamp"]
        return {name: (earlier.get(name) or b"").decode("utf-8", "replace") for name in names if name in earlier}
    kind, milliseconds = record.timestamp()
    return {
        _CONNECT + "topic": record.topic(),
        _CONNECT + "partition": str(record.partition()),
        _CONNECT + "offset": str(record.offset()),
        _OWN + "original-timestamp": str(milliseconds) if kind else None,
    }


def _number(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() and len(value) < 10 else 0
