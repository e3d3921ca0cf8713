"""What the benchmarks start: the connector with default settings but for the addresses, and programs of their own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from bench.dataset import Shape
from bench.orders import ORDER_ROUTE
from bench.stage import Stage

Command: TypeAlias = list[str | Path]

ROUTES: Mapping[Shape, Mapping[str, Any]] = {
    "event": {"format": "json"},
    "order": {"format": "json", **ORDER_ROUTE},
    "order-avro": {"format": "avro", **ORDER_ROUTE},
}


def connector_command(
    stage: Stage,
    topic: str,
    shape: Shape,
    *,
    endpoint_url: str | None = None,
    delivery: Mapping[str, Any] | None = None,
    stop_at_end: bool = True,
    group: str | None = None,
) -> Command:
    """`delivery`: settings of that section; `group`: to start several members of one."""
    group = group or stage.name("group")
    settings = {
        "kafka": {"bootstrap_servers": stage.bootstrap_servers, "group_id": group},
        "schema_registry": {"url": stage.registry_url},
        "airship": {
            "base_url": endpoint_url or stage.endpoint_url,
            "app_key": "bench-app-key-00000000",
            "auth": {"bearer_token": "bench"},
        },
        "routes": [{"topics": [topic], **ROUTES[shape]}],
        "delivery": dict(delivery or {}),
        "admin": {"host": "127.0.0.1", "port": 0},
        "log": {"level": "warning"},
    }
    path = stage.directory / f"{stage.name('connector')}.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command: Command = [sys.executable, "-m", "connector", "run", "-c", path]
    return [*command, "--stop-at-end"] if stop_at_end else command


def program_command(stage: Stage, module: str, topic: str, count: int, *more: str) -> Command:
    """A yardstick or a peer that is a program of the benchmark's own."""
    where = ["--bootstrap-servers", stage.bootstrap_servers, "--topic", topic, "--count", str(count)]
    return [sys.executable, "-m", module, *where, *more]
