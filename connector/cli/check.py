"""`airship-connector check`: one line for each thing that the job needs, what is wrong, and how to mend it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.options import config_option, load_settings
from connector.cli.output import colours

if TYPE_CHECKING:
    from connector.cli.checks.findings import Finding
    from connector.settings import Settings

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}


@click.command("check")
@config_option
@click.option(
    "--timeout",
    type=click.FloatRange(0.5, 300),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for each answer.",
)
@click.option(
    "--settings-only", is_flag=True, help="Look at the settings alone; nobody is asked and nothing is connected to."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def check_command(config: Path | None, timeout: float, settings_only: bool, as_json: bool) -> int:
    """Check settings, broker, topics, rights, schemas, endpoint, credentials and clocks.

    Nothing is read, written or joined, and no event is sent. Of Kafka is asked what this client may do (Describe with
    the authorised operations). To the endpoint an empty array is posted: it has to be refused, after the credentials
    were looked at.

    Exit code 3 if something failed, 2 if the settings are wrong, else 0.
    """
    settings = load_settings(config)
    failed = 0
    for finding in _settings_findings(settings) if settings_only else _findings(settings, timeout):
        failed += finding.state == "fail"
        _show(finding, as_json=as_json)
    return 3 if failed else 0


def _settings_findings(settings: Settings) -> Iterator[Finding]:
    """What is wrong with settings stopped their loading; so they are valid."""
    from connector.cli.checks.findings import ok

    routes = len(settings.routes)
    yield ok("settings", f"valid, {routes} routes" if routes != 1 else "valid, one route")


def _findings(settings: Settings, seconds: float) -> Iterator[Finding]:
    from connector.cli.checks.cluster import check_cluster
    from connector.cli.checks.endpoint import check_endpoint
    from connector.cli.checks.registry import check_registry

    yield from _settings_findings(settings)
    yield from check_cluster(settings, seconds)
    yield from check_registry(settings)
    yield from check_endpoint(settings, seconds)


def _show(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(finding._asdict(), ensure_ascii=False), flush=True)
        return
    mark = f"{finding.state:<4}"
    if colours(sys.stdout):
        mark = click.style(mark, fg=_COLOURS[finding.state], bold=finding.state == "fail")
    found = " ".join(finding.found.split())
    print(f"{mark}  {finding.check}: {found}" + (f"; to mend: {finding.mend}" if finding.mend else ""), flush=True)
