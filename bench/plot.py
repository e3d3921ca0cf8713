"""The costs as a picture: a bar for each system, its median, with a line from the least measured to the most."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.cost import Compared
from bench.recording import Spread
from bench.systems import BASE, SYSTEMS, System

_OURS, _OTHERS, _TARGET = "#1f6f8b", "#9aa5b1", "#c0392b"


def plot_costs(compared: Compared, path: Path) -> None:
    there = [system for system in SYSTEMS if system.key in compared.costs]
    spreads = [Spread(tuple(run.cpu_us for run in compared.costs[system.key])) for system in there]
    middles = [spread.median for spread in spreads]
    below = [spread.median - min(spread.values) for spread in spreads]
    above = [max(spread.values) - spread.median for spread in spreads]
    colours = [_OURS if system.kind == "connector" else _OTHERS for system in there]
    with mpl.rc_context({"font.size": 10, "svg.hashsalt": "bench"}):
        figure = Figure(figsize=(9, 1.2 + 0.5 * len(there)), layout="constrained")
        axes = figure.subplots()
        rows = range(len(there))
        limits = _mark_targets(axes, compared, there)
        axes.barh(rows, middles, xerr=[below, above], color=colours, error_kw={"capsize": 3, "ecolor": "#444444"})
        for row, system in enumerate(there):
            ratio = compared.ratio(system.key)
            if ratio is not None:
                text = f"{middles[row]:.1f}  ({ratio.median:.2f} x bare)"
                right = max(middles[row] + above[row], limits.get(system.key, 0.0))
                axes.text(right + max(middles) * 0.02, row, text, va="center")
        axes.set_yticks(rows, [system.title for system in there])
        axes.invert_yaxis()
        axes.set_xlim(0, max(middle + more for middle, more in zip(middles, above, strict=True)) * 1.3)
        axes.set_xlabel("CPU per event, microseconds: median, least and most; less is better")
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, dpi=120, metadata={"Software": None})


def _mark_targets(axes: mpl.axes.Axes, compared: Compared, systems: list[System]) -> dict[str, float]:
    """Where each target lies, in microseconds of the same axis."""
    base = compared.costs.get(BASE)
    if not base:
        return {}
    bare_us = Spread(tuple(run.cpu_us for run in base)).median
    limits = {system.key: bare_us * system.times_bare_max for system in systems if system.times_bare_max is not None}
    for row, system in enumerate(systems):
        if system.key in limits:
            label = "_target" if axes.get_legend_handles_labels()[1] else "target"  # in the legend once: not with a _
            axes.vlines(limits[system.key], row - 0.4, row + 0.4, colors=_TARGET, linewidth=2, label=label)
    if limits:
        axes.legend(loc="lower right", frameon=False)
    return limits
