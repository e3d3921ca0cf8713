"""`python -m bench.report`: writes the tables of bench/README.md and docs/scaling.md, and the plot, from `results/`.

A table stands between `<!-- name -->` and `<!-- /name -->`, and is made from what was recorded by the function that
showed it in the run. `tests/unit/test_bench_report.py` fails where a page and the results differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench import cost, latency, members, start, steps, telemetry, wall
from bench.recording import RESULTS, Spread, table
from bench.systems import SYSTEMS

_CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = (_CHECKOUT / "bench" / "README.md", _CHECKOUT / "docs" / "scaling.md")


def recorded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{part}.json").read_text(encoding="utf-8"))
    return found


def _compared() -> cost.Compared:
    told = recorded("cost")
    costs = {key: [cost.Cost(**run) for run in runs] for key, runs in told["costs"].items()}
    return cost.Compared(costs, told["missing"])


def _latencies() -> list[latency.Latency]:
    return [latency.Latency(**one) for one in recorded("latency")["latencies"]]


def _walls() -> dict[wall.Setting, list[wall.Wall]]:
    return {
        wall.Setting(one["system"], one["requests_max"], one["users"]): [wall.Wall(**run) for run in one["runs"]]
        for one in recorded("wall")["walls"]
    }


def _members() -> dict[members.Setting, list[float]]:
    return {
        members.Setting(one["delay_ms"], one["members"]): one["events_per_second"]
        for one in recorded("members")["members"]
    }


def _steps() -> dict[str, steps.Step]:
    return {key: steps.Step(**step) for key, step in recorded("steps")["steps"].items()}


def _times_off() -> Spread:
    told = recorded("telemetry")
    return telemetry.Costs(told["off_us"], told["on_us"]).ratio


def _others() -> str:
    off, on = (Spread(tuple(recorded("telemetry")[name])).text() for name in ("off_us", "on_us"))
    starts = recorded("start")["starts"]
    seconds, cpu_seconds = (Spread(tuple(one[name] for one in starts)).text() for name in ("seconds", "cpu_seconds"))
    peaks = Spread(tuple(recorded("memory")["rss_max_mb"]))
    rows = [
        [f"peak RSS, backlog of {recorded('memory')['events']:,} events", f"{peaks.text('.0f')} MB"],
        ["CPU of an event without telemetry", f"{off} us"],
        ["the same with it", f"{on} us, {_times_off().text()} x"],
        ["process to first 200", f"{seconds} s"],
        ["CPU of a whole run over 1,000 events", f"{cpu_seconds} s"],
    ]
    return table(["figure", "measured"], rows)


def _summary() -> str:
    compared = _compared()
    rows = []
    for system in SYSTEMS:
        ratio = compared.ratio(system.key)
        if ratio is not None and (limit := system.times_bare_max) is not None:
            what = f"{system.title}, CPU of an event x bare primitives"
            rows.append([what, f"at most {limit}", ratio.text(), _met(ratio.median <= limit)])
    rows += [*_summary_of_walls(), *_summary_of_latencies()]
    peaks, starts = recorded("memory")["rss_max_mb"], Spread(tuple(o["seconds"] for o in recorded("start")["starts"]))
    times_off = _times_off()
    rows += [
        ["memory, backlog of compressible events", "under 200 MB", f"{max(peaks):.0f} MB", _met(max(peaks) < 200)],
        [
            "traces at 1 % and metrics on, x off",
            f"at most {telemetry.RATIO_MAX:.2f}",
            times_off.text(),
            _met(times_off.median <= telemetry.RATIO_MAX),
        ],
        [
            "start: process to first 200",
            f"under {start.TARGET_SECONDS} s",
            f"{starts.text()} s",
            _met(starts.median < start.TARGET_SECONDS),
        ],
    ]
    return table(["figure", "target", "measured", ""], rows)


def _summary_of_walls() -> list[list[str]]:
    walls = _walls()
    rows = []
    for users in (200_000, 1_000):
        setting = wall.Setting("connector", 16, users)
        rate = Spread(tuple(run.events_per_second for run in walls[setting]))
        share = rate.median / setting.ceiling
        what = f"wall, endpoint at 100 ms, 16 requests, {users:,} users"
        rows.append([what, "90 % of 16,000/s", f"{rate.median:,.0f}/s, {share:.0%}", _met(share >= 0.9)])
    few, many = (walls[wall.Setting("connector", 16, users)] for users in (1_000, 200_000))
    times = Spread(tuple(one.cpu_us / other.cpu_us for one, other in zip(few, many, strict=True)))
    rows.append(["CPU with 1,000 users, x 200,000", "at most 1.3", times.text(), _met(times.median <= 1.3)])
    return rows


def _summary_of_latencies() -> list[list[str]]:
    rows = []
    for one in _latencies():
        met = one.p50_ms < 5 and one.p99_ms < 25 if one.events_per_second == 1000 else one.p99_ms < 15
        measured = f"p50 {one.p50_ms} ms, p99 {one.p99_ms} ms"
        what = f"latency, {one.events_per_second:,} events/s, produce to 200"
        rows.append([what, latency.TARGETS[one.events_per_second], measured, _met(met)])
    return rows


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


TABLES: Mapping[str, Callable[[], str]] = {
    "summary": _summary,
    "cost": lambda: cost.cost_table(_compared()),
    "wall": lambda: wall.wall_table(_walls()),
    "members": lambda: members.members_table(_members()),
    "latency": lambda: latency.latency_table(_latencies()),
    "others": _others,
    "steps": lambda: steps.steps_table(_steps()),
}


def with_tables(text: str) -> str:
    def made(match: re.Match[str]) -> str:
        name = match[1]
        return f"<!-- {name} -->\n\n{TABLES[name]()}\n\n<!-- /{name} -->"

    return re.sub(r"<!-- ([a-z]+) -->\n.*?<!-- /\1 -->", made, text, flags=re.DOTALL)


def main() -> None:
    from bench.plot import plot_costs  # here, so that what only reads tables needs no plotting library

    plot_costs(_compared(), RESULTS / "cost.png")
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
