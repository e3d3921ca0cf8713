"""The only user of the Kafka producer: writes rejects to the dead-letter topic.

Key, value and headers of the record stay byte for byte, so that it can be replayed; the timestamp is the current one
(the original is in a header), for a topic's retention would delete an old one at once. What a record would need above
the topic's size limit is left out in steps; the last is a record that only points at its origin.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connector import __version__
from connector.core.records import Reject, SourceRecord
from connector.core.reject_queue import DeadLetter
from connector.kafka import letter_format as names

log = logging.getLogger("connector.kafka")

_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_KEY_BYTES_MAX = 4096
"""A pointer keeps a key up to this size: it says in which partition the letter lies, and whose it is."""


class LeftOut(IntEnum):
    """What is left out of a letter that is too large; each step leaves out what the one before it did, too."""

    NOTHING = 0
    ANSWER = 1
    """The endpoint's answer."""
    HEADERS = 2
    """Every header that the letter can do without."""
    VALUE = 3
    """The message itself: value, headers, a long key. What is left points at its origin."""

    @property
    def text(self) -> str:
        return " ".join(step.name.lower() for step in LeftOut if 0 < step <= self)


class _Attempt(NamedTuple):
    letter: DeadLetter
    traceparent: str | None
    left_out: LeftOut


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
        self._producer = Producer(dict(properties), logger=log)
        self._suspects: deque[_Attempt] = deque()  # refused for their size: each is tried alone
        self._failure: BaseException | None = None
        self.written = 0
        """Letters that the broker has acknowledged."""

    def write(self, letter: DeadLetter, traceparent: str | None) -> None:
        """Gives it to the producer; the listener hears the report, or that it was not taken."""
        if self._suspects:
            self._listener.dead_letter_not_taken(letter.letter_id)
        else:
            self._produce(_Attempt(letter, traceparent, LeftOut.NOTHING), alone=False)

    def serve(self) -> None:
        self._producer.poll(0)
        self._raise_failure()
        # A record that is too large, or a batch that is, makes every record of its batch fail: so the size of one is
        # believed only when nothing else was under way.
        if self._suspects and len(self._producer) == 0:
            self._produce(self._suspects.popleft(), alone=True)
            self._raise_failure()

    def close(self, seconds: float) -> int:
        """Waits for reports that are due. Gives how many are still without one: their records are not settled.

        Nothing is written or served after it.
        """
        left: int = self._producer.flush(seconds)
        self._raise_failure()
        if left == 0:
            self._producer.close()  # else it goes on to look for a broker that may be gone, and says so on stderr
        return left + len(self._suspects)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _produce(self, attempt: _Attempt, *, alone: bool) -> None:
        letter, traceparent, left_out = attempt
        record = letter.reject.record
        key, pointer = record.key(), left_out is LeftOut.VALUE
        headers = headers_of(letter.reject, self._group, traceparent, left_out)
        try:
            self._producer.produce(
                self.topic,
                key=None if pointer and key is not None and len(key) > _KEY_BYTES_MAX else key,
                value=None if pointer else record.value(),
                headers=headers,  # type: ignore[arg-type]  # a list is invariant, and this one is read only
                on_delivery=self._report(attempt, alone=alone),
            )
        except BufferError:
            self._listener.dead_letter_not_taken(letter.letter_id)
        except KafkaException as error:
            self._refused(attempt, error.args[0], alone=True)  # by the client itself, which looks at one record

    def _report(self, attempt: _Attempt, *, alone: bool) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, _message: Message) -> None:
            try:
                if error is None:
                    self.written += 1
                    self._listener.dead_letter_reported(attempt.letter.letter_id)
                else:
                    self._refused(attempt, error, alone=alone)
            except BaseException as failure:  # noqa: BLE001  raised by `serve`, which ran this callback
                self._failure = self._failure or failure

        return report

    def _refused(self, attempt: _Attempt, error: KafkaError, *, alone: bool) -> None:
        """Too large: first again alone, then less of it. Anything else is the topic's trouble, and waits."""
        if error.code() not in _TOO_LARGE or (alone and attempt.left_out is LeftOut.VALUE):
            self._listener.dead_letter_failed(attempt.letter.letter_id, f"{error.name()}: {error.str()}")
            return
        if alone:
            self._suspects.appendleft(attempt._replace(left_out=_next_step(attempt)))  # the others keep behind it
        else:
            self._suspects.append(attempt)


def _next_step(attempt: _Attempt) -> LeftOut:
    """Without an answer there is none to leave out."""
    if attempt.left_out is LeftOut.NOTHING and attempt.letter.reject.answer is None:
        return LeftOut.HEADERS
    return LeftOut(attempt.left_out + 1)


def headers_of(
    reject: Reject, group: str, traceparent: str | None, left_out: LeftOut = LeftOut.NOTHING
) -> list[tuple[str, bytes | None]]:
    """The record's own headers, then those that say why it is here. A header of an earlier failure is replaced."""
    record = reject.record
    own = record.headers() or []
    earlier = {name: value for name, value in own if name.startswith((names.CONNECT, names.OWN))}
    headers = [] if left_out is LeftOut.VALUE else [(name, value) for name, value in own if name not in earlier]
    facts = _origin(record, earlier)
    facts |= {
        names.CONNECTOR_NAME: "airship-connector",
        names.STAGE: reject.stage,
        names.FORMAT: str(names.VERSION),
        names.REASON: reject.reason,
        names.HTTP_STATUS: None if reject.http_status is None else str(reject.http_status),
        names.ATTEMPTS: str(reject.attempts + number(earlier.get(names.ATTEMPTS))),
        names.SCHEMA_ID: reject.schema_id,
        names.GROUP: group,
        names.FAILED_AT: datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        names.PROGRAM_VERSION: __version__,
        names.REPLAYS: str(number(earlier.get(names.REPLAYS))),
        names.LEFT_OUT: left_out.text or None,
    }
    if left_out < LeftOut.HEADERS:
        facts |= {
            names.EXCEPTION_CLASS: reject.error_class or None,
            names.EXCEPTION_MESSAGE: reject.message,
            names.FIELD: reject.faults[0].field if reject.faults else None,
            names.TRACEPARENT: traceparent,
        }
    if left_out < LeftOut.ANSWER:
        facts[names.ANSWER] = reject.answer
    headers += [(name, _bounded(text)) for name, text in facts.items() if text is not None]
    return headers


def _bounded(text: str) -> bytes:
    """UTF-8, cut between two characters. What an endpoint told may hold half a surrogate pair, which UTF-8 has not."""
    whole, size_max = text.encode("utf-8", "replace"), names.HEADER_BYTES_MAX
    return whole if len(whole) <= size_max else whole[:size_max].decode("utf-8", "ignore").encode()


def _origin(record: SourceRecord, earlier: Mapping[str, bytes | None]) -> dict[str, str | None]:
    """Where the record came from first: a replayed one keeps the origin of its first failure."""
    if names.REPLAYS in earlier and names.TOPIC in earlier:
        kept = [names.TOPIC, names.PARTITION, names.OFFSET, names.ORIGINAL_TIMESTAMP]
        return {name: (earlier.get(name) or b"").decode("utf-8", "replace") for name in kept if name in earlier}
    kind, milliseconds = record.timestamp()
    return {
        names.TOPIC: record.topic(),
        names.PARTITION: str(record.partition()),
        names.OFFSET: str(record.offset()),
        names.ORIGINAL_TIMESTAMP: str(milliseconds) if kind else None,
    }


def number(value: bytes | None) -> int:
    """A count in a header; 0 for what is none."""
    return int(value) if value is not None and value.isdigit() and len(value) < 10 else 0
