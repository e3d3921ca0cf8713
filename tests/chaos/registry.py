"""A schema registry that is slow, fails, or is away: the records wait for it, and none is rejected."""

from __future__ import annotations

import functools
import io
import json
import time

import fastavro

from tests.chaos.account import Nature
from tests.chaos.scene import Scene
from tests.support.registry_stub import Fault, registry_stub

_SCHEMA = {
    "type": "record",
    "name": "Purchase",
    "fields": [{"name": "user", "type": "string"}, {"name": "number", "type": "int"}],
}
_SCHEMAS = 8
_TIMEOUT_MS = 500


def slow_registry(scene: Scene, seconds: float, events: int) -> None:
    """It hangs longer than the connector waits, then fails, then answers; the events use several schemas."""
    scene.route |= {
        "format": "avro",
        "event": {
            "user": {"named_user_id": "${{ user }}"},
            "body": {"name": "bought", "properties": {"number": "${{ number }}"}},
        },
    }
    scene.value_of = _framed
    schemas = {str(identity): {"schema": json.dumps(_SCHEMA)} for identity in range(1, _SCHEMAS + 1)}
    registry = scene.keep(registry_stub(schemas=schemas, fault=Fault(hang=True)))
    member = scene.add_member()
    member.settings["schema_registry"] = {"url": registry.url, "timeout_ms": _TIMEOUT_MS}
    scene.slow_endpoint(0.02, 0.1)
    scene.produce(events)
    scene.start(member)
    member.running.wait_not_ready("schema_registry")
    time.sleep(seconds / 2)
    registry.fault = Fault(503)
    scene.incidents += 1
    time.sleep(seconds / 2)
    assert scene.delivered() == 0
    with scene.recovering():
        registry.fault = None


@functools.cache
def _parsed() -> object:
    return fastavro.parse_schema(_SCHEMA)


def _framed(number: int, key: str, nature: Nature) -> bytes:
    assert nature is Nature.GOOD
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed(), {"user": key, "number": number})  # type: ignore[arg-type]
    return b"\x00" + (1 + number % _SCHEMAS).to_bytes(4, "big") + out.getvalue()
