"""What the intake costs for each record, in microseconds on one core: decode, filter, map, validate, serialize.

    python -m bench.intake_cost            # about 20 seconds
    python -m bench.intake_cost --json     # for programs

Real `confluent_kafka.Message` objects of the benchmarks' own shapes (`bench.dataset`), prepared in runs of 500 as the
loop gets them. Each figure is the best of many rounds, so that other load on the machine shows least. `bare` figures
are what a step costs at least with the library that does it.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from confluent_kafka import Message

from bench.dataset import Pool, avro_order_pool, event_pool, order_pool, user_key
from bench.orders import ORDER_ROUTE, ORDER_SCHEMA
from connector.core.records import SourceRecord
from connector.decode.avro_schema import avro_schema
from connector.decode.schema_cache import SchemaCache
from connector.intake import Intake
from connector.mapping.contract import faults_of
from connector.settings import Settings

RUN = 500
ROUNDS = 200
_SCHEMA_ID = 7


def microseconds(call: Callable[[], Any], records: int = RUN, rounds: int = ROUNDS) -> float:
    """Per record; the cyclic collector is off, as its work is not the intake's own."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(rounds):
            started = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - started)
    finally:
        gc.enable()
    return round(best / records * 1e6, 3)


def messages_of(pool: Pool, count: int = RUN) -> list[SourceRecord]:
    made = [
        Message(
            topic="t",
            partition=0,
            offset=number,
            key=user_key(number),
            value=pool.fill(number, user_key(number), number),
        )
        for number in range(count)
    ]
    return cast("list[SourceRecord]", made)  # what the stubs say of a message is less than what it does


def intake_of(route: dict[str, Any], **more: Any) -> Intake:
    schemas = SchemaCache()
    schemas.found(f"id:{_SCHEMA_ID}", avro_schema(json.dumps(ORDER_SCHEMA)))
    settings = {
        "kafka": {"bootstrap_servers": "localhost:9092", "group_id": "g"},
        "airship": {"app_key": "k" * 22, "auth": {"bearer_token": "t"}},
        "routes": [{"topics": ["t"], **route}],
    }
    return Intake(Settings.model_validate(settings | more), schemas)


def prepared(intake: Intake, records: Sequence[SourceRecord], now_seconds: float) -> Callable[[], Any]:
    run = intake.prepare("t", records, now_seconds)
    assert len(run.entries) == len(records), run.rejects[:1]
    return lambda: intake.prepare("t", records, now_seconds)


def measure() -> dict[str, float]:
    now = datetime.now(UTC)
    seconds = now.timestamp()
    ready, orders, avro = (
        messages_of(pool) for pool in (event_pool(now), order_pool(now), avro_order_pool(now, _SCHEMA_ID))
    )
    values = [message.value() or b"" for message in ready]
    order_values = [message.value() or b"" for message in orders]
    parsed = [json.loads(value) for value in values]
    decode = msgspec.json.Decoder().decode
    when = {"when": "user.named_user_id"}
    route = dict(ORDER_ROUTE)
    return {
        "bytes of a ready event": round(sum(map(len, values)) / RUN, 1),
        "bytes of an order, JSON": round(sum(map(len, order_values)) / RUN, 1),
        "bare: value, key, offset of a message": microseconds(
            lambda: [(message.offset(), message.key(), message.value()) for message in ready]
        ),
        "bare: msgspec reads a ready event": microseconds(lambda: [decode(value) for value in values]),
        "bare: msgspec reads an order": microseconds(lambda: [decode(value) for value in order_values]),
        "the models alone over a ready event": microseconds(
            lambda: [faults_of(event, seconds) for event in parsed], rounds=20
        ),
        "ready events": microseconds(prepared(intake_of({}), ready, seconds)),
        "ready events behind a `when`": microseconds(prepared(intake_of(when), ready, seconds)),
        "JSON orders, ten fields, format auto": microseconds(prepared(intake_of(route), orders, seconds)),
        "JSON orders, ten fields, format json": microseconds(
            prepared(intake_of(route | {"format": "json"}), orders, seconds)
        ),
        "Avro orders, ten fields": microseconds(prepared(intake_of(route), avro, seconds)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    as_json = parser.parse_args().json
    figures = measure()
    if as_json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{figure:10.3f}  {name}")


if __name__ == "__main__":
    main()
