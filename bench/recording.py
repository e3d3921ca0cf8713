"""What is kept of a run: `results/NAME.json` with the machine and the versions, and tables in Markdown."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_LIBRARIES = (
    "confluent-kafka",
    "httpx",
    "httpx-aiohttp",
    "aiohttp",
    "msgspec",
    "fastavro",
    "pydantic",
    "sentry-arroyo",
)
_CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Spread:
    """Of repeated measurements: the median is the figure, the extremes say what it is worth."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self, form: str = ".2f") -> str:
        if len(self.values) == 1:
            return format(self.median, form)
        low, high = min(self.values), max(self.values)
        return f"{self.median:{form}} ({low:{form}} to {high:{form}})"


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "connector": _revision(),
        "scheduling": {os.SCHED_RR: "real-time", os.SCHED_OTHER: "ordinary"}.get(os.sched_getscheduler(0), "other"),
        "load_average_at_the_end": [round(load, 1) for load in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=_CHECKOUT, capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.strip() or "unknown"


def record(part: str, figures: Mapping[str, Any], stage: Mapping[str, str], directory: Path = RESULTS) -> Path:
    """Writes, whole or not at all, what replaces the last run of this part."""
    directory.mkdir(exist_ok=True)
    path = directory / f"{part}.json"
    whole = {"when": datetime.now(UTC).isoformat(timespec="seconds"), **machine(), **stage, **figures}
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
