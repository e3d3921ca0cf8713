"""A file with messages for a test, and what comes out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.decode.avro_values import avro_value
from connector.decode.schemas import AvroSchema, Schema
from connector.errors import SettingsError
from connector.preview.files import Form, Given, file_records
from connector.preview.records import FileRecord

NOW = 1_717_243_200.5


class Known:
    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def know(self, identity: str, schema: Schema) -> None:
        self.schemas[identity] = schema

    def value_of(self, record: FileRecord) -> Any:
        """What the single object in a record holds."""
        value = record.value_bytes
        assert value is not None
        schema = self.schemas[f"fingerprint:{value[2:10].hex()}"]
        assert value[:2] == b"\xc3\x01"
        assert isinstance(schema, AvroSchema)
        return avro_value(schema, value[10:])


def read(
    folder: Path, content: bytes, form: Form | None = None, topic: str | None = "t", known: Known | None = None
) -> list[FileRecord]:
    path = folder / "m"
    path.write_bytes(content)
    return list(file_records(path, form, Given(topic, NOW, (known or Known()).know)))


def fault(folder: Path, content: bytes, form: Form | None = None, topic: str | None = "t") -> str:
    with pytest.raises(SettingsError) as refused:
        read(folder, content, form, topic)
    (line,) = refused.value.faults
    assert line.startswith(str(folder / "m"))
    return line.removeprefix(str(folder / "m"))
