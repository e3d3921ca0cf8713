"""Messages of a real topic, read as a bystander: assigned and not subscribed, so no group is joined; nothing committed.

Read partition by partition, so that few messages of a topic with many partitions come from as many of them as can be.
Every wait is under the reader's one deadline. The consumer sees what the job's sees: committed transactions alone.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias, assert_never

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from connector.core.records import SourceRecord
from connector.errors import StartError
from connector.kafka.properties import connection_properties
from connector.settings import Settings

Start: TypeAlias = Literal["earliest", "latest"] | datetime | int
"""The oldest; the newest; from a time on; from an offset on, or with a minus so many before the end."""

_PIECE_SECONDS = 0.5
_SILENT = logging.getLogger("connector.kafka.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False
_PASSING = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    # Of the group, which is named and never joined: rights on it are not needed.
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}


@dataclass(slots=True)
class _Span:
    """What is to be read of one partition: from `next_offset`, below `end`."""

    partition: int
    next_offset: int
    end: int

    @property
    def left(self) -> int:
        """At most: compaction and transactions leave holes."""
        return max(0, self.end - self.next_offset)


class TopicSample:
    def __init__(self, settings: Settings, topic: str, partitions: Iterable[int], seconds: float) -> None:
        self._topic = topic
        self._partitions = sorted(partitions)
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._trouble = ""
        told: dict[str, Any] = {"error_cb": self._on_error}
        self._consumer = Consumer({**_properties(settings), **told}, logger=_SILENT)

    def read(self, count: int, start: Start) -> Iterator[SourceRecord]:
        """At most `count` records that are there now; fewer where there are not more. Raises StartError."""
        try:
            whole = self._whole()
            if start == "latest":
                yield from self._newest(whole, count)
            else:
                yield from self._onward([self._from(span, start) for span in whole], count)
        except KafkaException as error:
            fault = error.args[0]
            if fault.code() == KafkaError._TIMED_OUT:
                raise self._no_more() from error
            raise StartError(f"{self._topic} cannot be read: {fault.str()}") from error

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> TopicSample:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _whole(self) -> list[_Span]:
        """Each partition as far as it can be read now: up to the last stable offset."""
        spans = []
        for number in self._partitions:
            name = TopicPartition(self._topic, number)
            spans.append(_Span(number, *self._consumer.get_watermark_offsets(name, timeout=self._remaining())))
        return spans

    def _onward(self, spans: list[_Span], count: int) -> Iterator[SourceRecord]:
        spans = [span for span in spans if span.left]
        while count > 0 and spans:
            for span, share in zip(spans, shares(count, [span.left for span in spans]), strict=True):
                for record in self._read(span, share):
                    count -= 1
                    yield record
            # Holes gave less than was counted on: once more, from where each partition was left.
            spans = [span for span in spans if span.left]

    def _newest(self, spans: list[_Span], count: int) -> Iterator[SourceRecord]:
        """The last ones of each partition. Holes at its end (markers of transactions) make it begin further back."""
        for span, share in zip(spans, shares(count, [span.left for span in spans]), strict=True):
            found: deque[SourceRecord] = deque(maxlen=share)
            width = share
            while share:
                begin = max(span.next_offset, span.end - width)
                found.extend(self._read(_Span(span.partition, begin, span.end), width))
                if len(found) == share or begin == span.next_offset:
                    break
                found.clear()
                width *= 4
            yield from found

    def _from(self, span: _Span, start: Literal["earliest"] | datetime | int) -> _Span:
        match start:
            case "earliest":
                return span
            case int():
                return replace(span, next_offset=self._named_offset(span, start))
            case datetime():
                return replace(span, next_offset=self._offset_at(span, start))
            case _:
                assert_never(start)

    def _named_offset(self, span: _Span, offset: int) -> int:
        if offset < 0:
            return max(span.next_offset, span.end + offset)
        if not span.next_offset <= offset <= span.end:
            raise StartError(
                f"{self._topic}[{span.partition}] holds the offsets {span.next_offset} to {span.end - 1}: "
                f"found --offset {offset}, expected one of them"
            )
        return offset

    def _offset_at(self, span: _Span, moment: datetime) -> int:
        """Of the first record that is not older; the end where all are."""
        asked = TopicPartition(self._topic, span.partition, int(moment.timestamp() * 1000))
        (answer,) = self._consumer.offsets_for_times([asked], timeout=self._remaining())
        return answer.offset if answer.offset >= 0 else span.end

    def _read(self, span: _Span, share: int) -> Iterator[SourceRecord]:
        """At most `share` records, up to the end that the partition had at the start."""
        if share == 0:
            return
        self._consumer.assign([TopicPartition(self._topic, span.partition, span.next_offset)])
        while share > 0 and span.left:
            message = self._consumer.poll(min(self._remaining(), _PIECE_SECONDS))
            if message is None or self._is_passing(message):
                continue
            offset = message.offset()
            if message.error() is not None or offset is None or offset >= span.end:  # what was written since the start
                span.next_offset = span.end
                return
            span.next_offset = offset + 1
            share -= 1
            yield message  # type: ignore[misc]  # the stubs say that a record's fields may be None

    def _is_passing(self, message: Message) -> bool:
        """An event that changes nothing. Raises what will not pass; the end of the partition is neither."""
        error = message.error()
        if error is not None and error.code() not in {*_PASSING, KafkaError._PARTITION_EOF}:
            raise KafkaException(error)
        return error is not None and error.code() in _PASSING

    def _remaining(self) -> float:
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise self._no_more()
        return remaining

    def _no_more(self) -> StartError:
        because = f" ({self._trouble})" if self._trouble else ""
        return StartError(
            f"{self._topic}: the cluster gave no more within {self._seconds:g} s{because}; --timeout waits longer"
        )

    def _on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._trouble = error.str()


def shares(count: int, available: Sequence[int]) -> list[int]:
    """`count` dealt out evenly; what one cannot take goes to the others, the first ones first."""
    dealt = [0] * len(available)
    while count > 0:
        open_ = [index for index, most in enumerate(available) if dealt[index] < most]
        if not open_:
            break
        each = max(1, count // len(open_))
        for index in open_[:count]:
            part = min(each, available[index] - dealt[index])
            dealt[index] += part
            count -= part
    return dealt


def _properties(settings: Settings) -> Mapping[str, Any]:
    return {
        **connection_properties(settings),
        # The client wants a group's name. Without subscription and commit the group never comes into being.
        "group.id": f"{settings.kafka.group_id}.preview",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "allow.auto.create.topics": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,
        "queued.max.messages.kbytes": 8 * 1024,
    }
