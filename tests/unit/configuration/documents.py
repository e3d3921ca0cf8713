"""Settings to begin with: the least that is valid, and ways to change one thing in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.configuration import load
from connector.errors import SettingsError
from connector.settings import Settings

APP_KEY = "AAAAAAAAAAAAAAAAAAAAAA"

LEAST: dict[str, Any] = {
    "kafka": {"bootstrap_servers": "kafka:9092", "group_id": "airship-connector"},
    "airship": {"app_key": APP_KEY, "auth": {"bearer_token": "token"}},
    "routes": [{"topics": ["orders"]}],
}


def steps(name: str) -> list[Any]:
    return [int(step) if step.isdigit() else step for step in name.split("__")]


def changed(**values: object) -> dict[str, Any]:
    """`LEAST` with values at paths: `kafka__group_id="x"`, `routes__0__format="avro"`. `...` removes."""
    document: Any = copy.deepcopy(LEAST)
    for name, value in values.items():
        *above, last = steps(name)
        node: Any = document
        for step in above:
            node = node[step] if isinstance(node, list) else node.setdefault(step, {})
        if value is ...:
            del node[last]
        else:
            node[last] = value
    assert isinstance(document, dict)
    return document


def loaded(
    document: object, tmp_path: Path, environ: Mapping[str, str] | None = None, *, try_clients: bool = False
) -> Settings:
    """What is loaded from a document; a text is written as it is."""
    file = tmp_path / "connector.yaml"
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return load(file, environ or {}, try_clients=try_clients)


def faults(
    document: object, tmp_path: Path, environ: Mapping[str, str] | None = None, *, try_clients: bool = False
) -> list[str]:
    """The lines of the error, without the folder of the file."""
    with pytest.raises(SettingsError) as raised:
        loaded(document, tmp_path, environ, try_clients=try_clients)
    return [line.replace(f"{tmp_path}/", "") for line in raised.value.faults]
