"""Options that several commands share, and how a command gets its settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from connector.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """`-c`: the settings file, as the parameter `config: Path | None`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Settings; else the file that CONNECTOR_CONFIG names, else CONNECTOR__... variables alone.",
    )(command)


def load_settings(config: Path | None, *, try_clients: bool = True) -> Settings:
    """Raises SettingsError with one line for each fault."""
    from connector.configuration import load

    return load(config, os.environ, try_clients=try_clients)
