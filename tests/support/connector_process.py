"""The connector as a user runs it: a process of its own, a settings file, an admin port."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import ChildProcess, free_port, wait_until

APP_KEY = "test-app-key-000000000"


def settings_for(
    bootstrap_servers: str, group: str, base_url: str, routes: list[dict[str, Any]], dead_letter_topic: str
) -> dict[str, Any]:
    """Settings for a short life: sessions of 6 s, commits every 100 ms."""
    return {
        "kafka": {"bootstrap_servers": bootstrap_servers, "group_id": group, "session_timeout_ms": 6000},
        "airship": {"base_url": base_url, "app_key": APP_KEY, "auth": {"bearer_token": "test-token"}},
        "routes": routes,
        "delivery": {"commit_interval_ms": 100},
        "dead_letters": {"topic": dead_letter_topic},
        "admin": {"host": "127.0.0.1", "port": 0},
    }


def answer_of(port: int, path: str) -> tuple[int, str]:
    """(status, body) of a page of this machine; (0, reason) while nothing listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        return 0, str(error)


class Connector:
    """One member of the group. Start it more than once with the same settings to have several."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Any],
        *arguments: str,
        name: str = "connector",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.admin_port = free_port()
        merged = {**settings, "admin": {"host": "127.0.0.1", "port": self.admin_port}}
        self.config = directory / f"{name}-{self.admin_port}.yaml"
        self.config.write_text(yaml.safe_dump(merged), encoding="utf-8")
        self.process = ChildProcess(
            name,
            [sys.executable, "-m", "connector", "run", "-c", str(self.config), *arguments],
            log_path=directory / f"{name}-{self.admin_port}.log",
            environment=environment,
        )

    def get(self, path: str) -> tuple[int, str]:
        """(status, body) of an admin page; (0, reason) while nothing listens."""
        return answer_of(self.admin_port, path)

    def wait_ready(self, timeout_seconds: float = 30.0) -> None:
        wait_until(lambda: self.get("/readyz")[0] == 200, timeout_seconds, "the connector to be ready", self.process)

    def wait_not_ready(self, because: str, timeout_seconds: float = 30.0) -> None:
        def not_ready() -> bool:
            status, body = self.get("/readyz")
            return status == 503 and because in body

        wait_until(not_ready, timeout_seconds, f"a 503 with {because!r}", self.process)

    def status(self) -> Any:
        return json.loads(self.get("/status.json")[1])

    def expect_end(self, timeout_seconds: float = 60.0) -> None:
        code = self.process.wait(timeout_seconds)
        assert code == 0, self.process.explain(f"ended with {code}")

    def __enter__(self) -> Connector:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
