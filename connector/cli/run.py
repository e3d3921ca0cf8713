"""`airship-connector run`: the job."""

from __future__ import annotations

from pathlib import Path

import click

from connector.cli.options import config_option, load_settings


@click.command("run")
@config_option
@click.option(
    "--stop-at-end",
    is_flag=True,
    help="Stop once everything that was in the topics at the start is settled and committed.",
)
def run_command(config: Path | None, stop_at_end: bool) -> None:
    """Carry events from Kafka to Airship until stopped."""
    settings = load_settings(config)
    from connector.app import run

    run(settings, stop_at_end=stop_at_end)
