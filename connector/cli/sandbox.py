"""`airship-connector sandbox`: the stand-in endpoint as a command."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import ssl
from datetime import datetime
from pathlib import Path
from typing import get_args

import click

from connector.airship.sandbox import (
    EXAMPLE_APP_KEY,
    LatencyFault,
    Rule,
    Sandbox,
    SandboxOptions,
    Summary,
    rule_from_text,
)
from connector.airship.sandbox.clock import parse_instant
from connector.airship.sandbox.options import ColumnUnit, OperationIdSpelling, PathSpelling, Validation


class _Instant(click.ParamType[datetime]):
    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


class _Fault(click.ParamType[Rule]):
    name = "rule"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Rule:
        if isinstance(value, Rule):
            return value
        try:
            return rule_from_text(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


class _Latency(click.ParamType[LatencyFault]):
    name = "seconds[..seconds]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> LatencyFault:
        if isinstance(value, LatencyFault):
            return value
        low, dots, high = str(value).partition("..")
        try:
            seconds, seconds_max = float(low), float(high) if dots else None
        except ValueError:
            self.fail(f"found {value!r}, expected seconds such as 0.2 or a range such as 0.1..0.5", param, ctx)
        if seconds < 0 or (seconds_max is not None and seconds_max < seconds):
            self.fail(f"found {value!r}, expected seconds from 0, the smaller first", param, ctx)
        return LatencyFault(seconds=seconds, seconds_max=seconds_max)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen on; 0.0.0.0 for all")
@click.option("--port", type=click.IntRange(0, 65_535), default=8089, show_default=True, help="0 takes a free one")
@click.option("--json", "as_json", is_flag=True, help="print the addresses, and the sums at the end, as JSON lines")
@click.option("--token", "tokens", multiple=True, help="a bearer token that will do (repeatable); without it any will")
@click.option("--oauth-only", is_flag=True, help="only tokens issued at /token will do")
@click.option("--app-key", help="the app key that will do; without it any of 22 characters")
@click.option("--client-id", help="the OAuth client id that will do; without it any")
@click.option("--client-secret", help="the OAuth client secret that will do; without it any")
@click.option("--client-public-key", type=_FILE, help="PEM; signatures of assertions are verified with it")
@click.option("--token-audience", help="the aud of an assertion; without it the address of /token as it was called")
@click.option(
    "--expires-in", type=click.IntRange(1), default=3600, show_default=True, help="seconds an issued token lives"
)
@click.option(
    "--validation",
    type=click.Choice(get_args(Validation)),
    default="full",
    show_default=True,
    help="off: events are only counted",
)
@click.option(
    "--path",
    "path",
    type=click.Choice(get_args(PathSpelling)),
    default="brackets",
    show_default=True,
    help="how a refusal names the event",
)
@click.option("--location/--no-location", default=True, show_default=True, help="line and column in a refusal")
@click.option("--column-unit", type=click.Choice(get_args(ColumnUnit)), default="characters", show_default=True)
@click.option(
    "--operation-id", type=click.Choice(get_args(OperationIdSpelling)), default="operation_id", show_default=True
)
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=100_000,
    show_default=True,
    help="events and requests held for reading; 0 only counts",
)
@click.option(
    "--keep-mib",
    type=click.IntRange(0),
    default=256,
    show_default=True,
    help="size up to which events are held, in MiB",
)
@click.option(
    "--record", type=click.Path(dir_okay=False, path_type=Path), help="append accepted events to this file, one a line"
)
@click.option("--now", type=_Instant(), help="what the clock shows at the start, such as 2020-05-03T00:00:00Z")
@click.option("--frozen", is_flag=True, help="the clock stands still")
@click.option("--seed", type=int, default=0, show_default=True, help="of everything random")
@click.option(
    "--fault", "faults", type=_Fault(), multiple=True, help='such as "status status=503 share=0.02" (repeatable)'
)
@click.option("--latency", type=_Latency(), help="wait before each answer: seconds, or a range such as 0.1..0.5")
@click.option(
    "--idle-seconds",
    type=click.FloatRange(min=0.001),
    default=75.0,
    show_default=True,
    help="idle connections are closed after it",
)
@click.option("--tls-certificate", type=_FILE, help="PEM; serves https")
@click.option("--tls-key", type=_FILE, help="PEM, with --tls-certificate")
def sandbox_command(
    host: str,
    port: int,
    as_json: bool,
    tokens: tuple[str, ...],
    oauth_only: bool,
    client_public_key: Path | None,
    expires_in: int,
    keep_mib: int,
    faults: tuple[Rule, ...],
    latency: LatencyFault | None,
    **options: object,
) -> None:
    """Stand in for Airship's custom events endpoint, for your own tests.

    It enforces the contract, remembers what it accepted, and misbehaves on request. Nothing is sent anywhere.
    """
    try:
        sandbox = Sandbox(
            SandboxOptions(
                tokens=tokens if tokens or oauth_only else None,
                client_public_key=None if client_public_key is None else client_public_key.read_bytes(),
                token_seconds=expires_in,
                keep_bytes=keep_mib * 1024 * 1024,
                faults=(*faults, *(() if latency is None else (latency,))),
                **options,  # type: ignore[arg-type]  # named as the options are; click has converted them
            )
        )
    except ValueError as fault:
        raise click.UsageError(str(fault)) from None
    asyncio.run(_serve(sandbox, host, port, as_json))


async def _serve(sandbox: Sandbox, host: str, port: int, as_json: bool) -> None:
    try:
        await sandbox.start(host, port)
    except OSError as fault:
        raise click.UsageError(_start_fault(fault, host, port)) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    click.echo(_addresses(sandbox) if as_json else _greeting(sandbox))
    await stop.wait()
    await sandbox.stop()
    summary = sandbox.summary()
    click.echo(json.dumps(summary._asdict()) if as_json else _farewell(summary))


def _start_fault(fault: OSError, host: str, port: int) -> str:
    if fault.filename is not None:
        return f"cannot open {fault.filename}: {fault.strerror}"
    if isinstance(fault, ssl.SSLError):
        return f"cannot serve https: {fault.reason}; expected --tls-certificate and --tls-key to be a pair of PEM files"
    if fault.errno == errno.EADDRINUSE:
        return f"cannot listen on {host}:{port}: the port is taken; name another --port, or 0 for a free one"
    return f"cannot listen on {host}:{port}: {fault.strerror}"


def _addresses(sandbox: Sandbox) -> str:
    return json.dumps({"base_url": sandbox.base_url, "token_url": sandbox.token_url, "port": sandbox.port})


def _greeting(sandbox: Sandbox) -> str:
    options = sandbox.options
    token = options.tokens[0] if options.tokens else "any-token"
    auth = f"{{bearer_token: {token}}}"
    if options.tokens == ():
        secret = "..." if options.client_secret else "any-secret"
        auth = f"{{oauth: {{client_id: {options.client_id or 'any-client'}, client_secret: {secret}}}}}"
    return f"""\
listening on {sandbox.base_url}

settings to paste into connector.yaml:

airship:
  base_url: {sandbox.base_url}
  token_url: {sandbox.token_url}
  app_key: {options.app_key or EXAMPLE_APP_KEY}
  auth: {auth}

accepted events   curl {sandbox.base_url}/sandbox/events
sums              curl {sandbox.base_url}/sandbox/summary
a fault           curl {sandbox.base_url}/sandbox/faults -d '{{"fault": "status", "status": 503, "for_seconds": 10}}'
stop              Ctrl-C"""


def _farewell(summary: Summary) -> str:
    statuses = ", ".join(f"{count} x {status}" for status, count in summary.requests_by_status.items()) or "none"
    return f"accepted {summary.accepted} events, refused {summary.refused}; requests: {statuses}"
