"""`airship-connector demo`: the whole job, seen at work."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from connector.demo.account import Account
    from connector.demo.job import Progress

_LINE_SECONDS = 2.0


@click.command("demo")
@click.option("--orders", "count", default=20_000, show_default=True, type=click.IntRange(1_000, 40_000))
@click.option("--bootstrap-servers", help="A Kafka cluster to use instead of the embedded broker.")
def demo_command(count: int, bootstrap_servers: str | None) -> None:
    """Carry orders from an embedded Kafka to the sandbox; nothing to install, no network.

    Orders in JSON and in Avro are produced, a few with something wrong. They are decoded, mapped, validated and
    posted; the summary's sums must agree, else the command says which is off and ends with 1.
    """
    from rich.console import Console

    from connector.demo.job import Demo, StoppedOnRequest

    console = Console()
    started = time.monotonic()
    try:
        if console.is_terminal:
            from rich.live import Live

            with Live(console=console, refresh_per_second=10) as live:
                result = Demo(count, bootstrap_servers, lambda progress: live.update(_line(progress))).run()
        else:
            result = Demo(count, bootstrap_servers, _Lines().show).run()
    except StoppedOnRequest:
        click.echo("stopped before the end: what was in flight is delivered, the sums are not compared")
        return
    _summary(console, result, time.monotonic() - started)
    if result.faults:
        for fault in result.faults:
            click.echo(f"the sums do not agree: {fault}", err=True)
        sys.exit(1)


def _line(progress: Progress) -> str:
    lag = "?" if progress.lag is None else f"{progress.lag:,}"
    return (
        f"{progress.phase}: {progress.produced:,} produced, {progress.delivered:,} delivered, "
        f"{progress.dead_letters:,} rejected, lag {lag}"
    )


class _Lines:
    """Not a terminal: a line every other second."""

    def __init__(self) -> None:
        self._last = 0.0

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _LINE_SECONDS:
            self._last = now
            click.echo(_line(progress))


def _summary(console: object, result: Account, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    table = Table(title="What became of the orders", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    table.add_row("produced", f"{result.produced:,}", "")
    table.add_row("delivered", f"{result.delivered:,}", "accepted by the sandbox with a 200")
    table.add_row("skipped", f"{result.skipped:,}", "by the route's `when`: cancelled orders")
    table.add_row("dead-lettered", f"{result.dead_lettered:,}", _stages(result))
    table.add_row("duplicates", f"{result.duplicates:,}", "")
    table.add_row("out of order", f"{result.out_of_order:,}", "within a customer")
    console.print(table)
    verdict = "the sums agree" if not result.faults else "the sums do NOT agree"
    console.print(
        f"{result.produced:,} produced = {result.delivered:,} delivered + {result.skipped:,} skipped + "
        f"{result.dead_lettered:,} dead-lettered: {verdict}, after {seconds:.1f} s"
    )


def _stages(result: Account) -> str:
    return ", ".join(f"{count} at {stage}" for stage, count in sorted(result.by_stage.items()))
