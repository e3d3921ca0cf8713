"""Looks at a running connector twice a second: its memory, its window, its pauses, its place in the group."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.connector_process import Connector

_EVERY_SECONDS = 0.5
_REBALANCES = re.compile(r"^connector_rebalances_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
_SETTLED = re.compile(r'^connector_records_settled_total\{[^}]*evidence="delivered"[^}]*\} ([0-9.e+]+)$', re.MULTILINE)


@dataclass(slots=True)
class Phase:
    """What was seen in one phase."""

    name: str
    seconds: float = 0.0
    rss_max_mb: float = 0.0
    window_records_max: int = 0
    window_bytes_max: int = 0
    pauses: int = 0
    rebalances: int = 0
    delivered: int = 0
    longest_silence_seconds: float = 0.0
    """Between two reports of the loop."""

    @property
    def pauses_per_minute(self) -> float:
        return 60.0 * self.pauses / self.seconds if self.seconds else 0.0

    def line(self) -> str:
        return (
            f"{self.name:>8}: {self.seconds:6.1f} s, RSS at most {self.rss_max_mb:5.0f} MB, window at most"
            f" {self.window_records_max:6d} records {self.window_bytes_max / 2**20:5.1f} MiB, pauses {self.pauses:3d}"
            f" ({self.pauses_per_minute:5.1f} a minute), rebalances {self.rebalances}, delivered {self.delivered}"
        )


class Watch:
    """Owns the counters as last seen, so that each phase has its own share of them."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._pauses = self._rebalances = self._delivered = 0
        self.window_bytes_limit = 0

    def phase(self, name: str, until: Callable[[Any, float], bool], seconds_max: float) -> Phase:
        """Looks until `until(status, seconds)` holds, the process ends, or the time is over."""
        seen = Phase(name)
        started = time.monotonic()
        while self._connector.process.is_running and seen.seconds < seconds_max:
            status = self._look(seen)
            seen.seconds = time.monotonic() - started
            if status is not None and until(status, seen.seconds):
                break
            time.sleep(_EVERY_SECONDS)
        return seen

    def _look(self, seen: Phase) -> Any:
        try:
            told = Path(f"/proc/{self._connector.process.pid}/status").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return None
        if found := re.search(r"VmRSS:\s+(\d+) kB", told):
            seen.rss_max_mb = max(seen.rss_max_mb, int(found[1]) / 1024)
        code, page = self._connector.get("/status.json")
        metrics_code, metrics = self._connector.get("/metrics")
        if code != 200 or metrics_code != 200:
            return None
        status = json.loads(page)
        window = status["window"]
        self.window_bytes_limit = window["bytes_max"]
        seen.window_records_max = max(seen.window_records_max, window["records"])
        seen.window_bytes_max = max(seen.window_bytes_max, window["bytes"])
        seen.longest_silence_seconds = max(seen.longest_silence_seconds, status["reported_seconds_ago"])
        rebalances = int(sum(float(value) for value in _REBALANCES.findall(metrics)))
        delivered = int(sum(float(value) for value in _SETTLED.findall(metrics)))
        seen.pauses += window["pauses"] - self._pauses
        seen.rebalances += rebalances - self._rebalances
        seen.delivered += delivered - self._delivered
        self._pauses, self._rebalances, self._delivered = window["pauses"], rebalances, delivered
        return status
