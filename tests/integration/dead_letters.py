"""Dead letters for the tests, written as the job writes them, and the command `dlq` run in this process."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.cli.main import run
from connector.core.records import Fault, Reason, Reject, Stage
from connector.kafka.dead_letters import headers_of
from tests.integration.events import custom_event
from tests.support.broker import Broker
from tests.support.connector_process import settings_for
from tests.support.topics import Record
from tests.unit.core.records import FakeRecord

Header = tuple[str, bytes | None]


SPRING: list[Header] = [
    ("kafka_dlt-original-topic", b"orders"),
    ("kafka_dlt-original-partition", (2).to_bytes(4, "big")),
    ("kafka_dlt-original-offset", (123_456_789_012).to_bytes(8, "big")),
    ("kafka_dlt-original-timestamp", (1_700_000_000_123).to_bytes(8, "big")),
    ("kafka_dlt-original-timestamp-type", b"CreateTime"),
    ("kafka_dlt-original-consumer-group", b"billing"),
    ("kafka_dlt-exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
    ("kafka_dlt-exception-cause-fqcn", b"java.lang.IllegalStateException"),
    ("kafka_dlt-exception-message", b"Listener failed for ada.lovelace \x1b[31m"),
    ("kafka_dlt-exception-stacktrace", b"java.lang..."),
]
CONNECT: list[Header] = [
    ("__connect.errors.topic", b"orders"),
    ("__connect.errors.partition", b"1"),
    ("__connect.errors.offset", b"77"),
    ("__connect.errors.connector.name", b"http-sink"),
    ("__connect.errors.task.id", b"0"),
    ("__connect.errors.stage", b"VALUE_CONVERTER"),
    ("__connect.errors.class.name", b"org.apache.kafka.connect.json.JsonConverter"),
    ("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
    ("__connect.errors.exception.message", b"Converting byte[] failed"),
    ("__connect.errors.exception.stacktrace", b"org.apache..."),
]
ARROYO: list[Header] = [("original_partition", b"4"), ("original_offset", b"99")]


def letter(
    number: int,
    topic: str,
    *,
    value: bytes | None = None,
    key: bytes | None = None,
    own_headers: Sequence[Header] = (("own", b"\x00\xff"), ("empty", None)),
    stage: Stage = "deliver",
    reason: Reason = "refused",
    field: str = "body.name",
    group: str = "shop",
    partition: int = 0,
    replays: int = 0,
    schema_id: str | None = None,
) -> Record:
    """The dead letter of the message at `topic`[`partition`]@`number`; by default an event that would pass now."""
    value = custom_event(number, f"user-{number % 5}") if value is None else value
    key = f"user-{number % 5}".encode() if key is None else key
    earlier: list[Header] = [("airship-connector.replays", str(replays).encode())] if replays else []
    record = FakeRecord(number, key, value, topic, partition, (*own_headers, *earlier))
    fault = Fault(field, "a string with upper-case characters", "lower case")
    status, answer = (400, '{"ok": false}') if stage == "deliver" else (None, None)
    reject = Reject(record, stage, reason, (fault,), "connector.errors.InvalidEvent", status, answer, 2, schema_id)
    return Record(value, key, headers_of(reject, group, None))


class Dlq:
    """The command `dlq` with one settings file."""

    def __init__(self, directory: Path, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
        self.config = directory / "dlq.yaml"
        self.settings = settings
        self._capsys = capsys
        self.write()

    def write(self) -> None:
        """Settings that were changed."""
        self.config.write_text(yaml.safe_dump(self.settings), encoding="utf-8")

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it printed. `code`: the exit code that is expected."""
        self._capsys.readouterr()
        found = run(["dlq", *arguments, "-c", str(self.config)])
        printed = self._capsys.readouterr()
        assert found == code, printed.err
        return printed.out if code == 0 else printed.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").splitlines()[-1])


_NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there."""


def dlq_for(
    broker: Broker, dead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], topic: str = "orders"
) -> Dlq:
    route = {"topics": [topic], "format": "json", "name": "events"}
    settings = settings_for(broker.bootstrap_servers, "shop", _NOWHERE, [route], dead)
    return Dlq(tmp_path, settings, capsys)
