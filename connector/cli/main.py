"""The command line: finds the command, runs it, turns its end into an exit code.

    0  done, or stopped on request        2  wrong usage or settings
    1  a fault of the program             3  `check` (or `preview --fail-on-reject`) found something

A command's module is imported when the command is called: the start of one does not pay for the others. A command
returns its exit code, or None for 0.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from connector import __version__
from connector.cli.output import print_error
from connector.errors import ConnectorError, SettingsError

COMMANDS = {
    "run": "Carry events from Kafka to Airship until stopped.",
    "demo": "See the whole job on an embedded broker and a stand-in for Airship; needs no network.",
    "check": "Check settings, broker, topics, rights, registry and credentials.",
    "preview": "Show what each message would become, or why it would be rejected; sends nothing.",
    "dlq": "List, show and replay dead letters.",
    "sandbox": "Serve a stand-in for Airship's endpoint.",
    "schema": "Print the JSON Schema of the settings.",
}


class _Commands(click.Group):
    """Knows the commands by name; `connector/cli/NAME.py` exports `NAME_command`."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if importlib.util.find_spec(_module_of(name)) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            near = difflib.get_close_matches(cmd_name, self.list_commands(ctx), 1)
            ctx.fail(f"No such command {cmd_name!r}." + (f" Did you mean {near[0]}?" if near else ""))
        command = getattr(importlib.import_module(_module_of(cmd_name)), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


def _module_of(name: str) -> str:
    return f"connector.cli.{name}"


@click.group(
    "airship-connector",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 a fault of the program, 2 wrong usage or settings, 3 check found something.",
)
@click.version_option(__version__, prog_name="airship-connector", message="%(prog)s %(version)s")
def command_line() -> None:
    """Carry events from Kafka to Airship's Custom Events endpoint and lose none."""


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code. What nobody foresaw leaves as an exception, so that its traceback is seen."""
    try:
        result: Any = command_line.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="airship-connector",
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        print_error("interrupted")
        return 1
    except BrokenPipeError:
        # The reader of a pipe has enough (`schema | head`); nothing more may be written, at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SettingsError as error:
        print_error(str(error))
        return 2
    except ConnectorError as error:
        print_error(str(error))
        return 1
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    if os.getpid() == 1:
        # The kernel ends the first process of a container by no signal that it has no handler for. `run` and `sandbox`
        # take the signal over once they have something to end in order.
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(run())


if __name__ == "__main__":
    main()
