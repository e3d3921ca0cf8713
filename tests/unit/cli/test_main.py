"""The frame of the command line: which commands there are, what an error looks like, which exit code it gives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from connector import __version__
from connector.cli import main as frame
from connector.errors import BrokerFatal, ConnectorError, SettingsError, StartError

FOREIGN_AT_START = ("aiohttp", "confluent_kafka", "fastavro", "httpx", "opentelemetry", "pydantic", "rich")
DEADLINE_SECONDS = 30


def program(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own, with no settings of whoever runs the tests."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_")}
    return subprocess.run(
        [sys.executable, "-m", "connector", *arguments],
        env=environ | variables,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@pytest.fixture
def commands() -> Iterator[Callable[..., None]]:
    """Makes a command end as a test wants it to."""
    patch = pytest.MonkeyPatch()

    def end(name: str, ending: Callable[[], object]) -> None:
        command = click.Command(name, callback=ending)
        patch.setattr(frame.command_line, "get_command", lambda _ctx, _name: command)

    yield end
    patch.undo()


def raising(error: BaseException) -> Callable[[], object]:
    def callback() -> object:
        raise error

    return callback


def test_the_version_is_that_of_the_package() -> None:
    done = program("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"airship-connector {__version__}\n", "")


def test_the_help_lists_the_commands_whose_modules_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["--help"]) == 0
    listed = capsys.readouterr().out
    folder = Path(frame.__file__).parent
    for name, meaning in frame.COMMANDS.items():
        there = (folder / f"{name}.py").exists()
        assert (meaning.split()[0] in listed and f"  {name} " in listed) == there, name


def test_a_command_without_its_module_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(frame.COMMANDS, "nowhere", "Leads nowhere.")
    context = click.Context(frame.command_line)
    assert "nowhere" not in frame.command_line.list_commands(context)
    assert "run" in frame.command_line.list_commands(context)
    assert frame.run(["nowhere"]) == 2


@pytest.mark.parametrize(
    "name", [name for name in frame.COMMANDS if (Path(frame.__file__).parent / f"{name}.py").exists()]
)
def test_every_command_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"airship-connector {name}" in shown
    assert len(shown.splitlines()) > 4


def test_the_start_pays_for_no_command() -> None:
    code = (
        "import sys; from connector.cli.main import run; assert run(['--help']) == 0; "
        f"print([name for name in {FOREIGN_AT_START!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(("typed", "meant"), [("schem", "schema"), ("sandbix", "sandbox"), ("rum", "run")])
def test_a_misspelt_command_names_the_nearest(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run([typed]) == 2
    assert f"No such command '{typed}'. Did you mean {meant}?" in capsys.readouterr().err


def test_a_command_that_is_like_none_gets_no_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["xyzzy"]) == 2
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError(["connector.yaml:3: kafka.group_id: missing"]), 2),
        (StartError("the port is taken"), 1),
        (BrokerFatal("fenced"), 1),
        (ConnectorError("anything else of ours"), 1),
    ],
)
def test_an_error_of_ours_is_one_line_and_an_exit_code(
    error: ConnectorError, code: int, commands: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    commands("run", raising(error))
    assert frame.run(["run"]) == code
    assert capsys.readouterr() == ("", f"error: {error}\n")


def test_several_faults_are_counted_and_each_has_its_line(
    commands: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    commands("run", raising(SettingsError(["a: wrong", "b: wrong"])))
    assert frame.run(["run"]) == 2
    assert capsys.readouterr().err == "error: 2 faults\n  a: wrong\n  b: wrong\n"


def test_what_nobody_foresaw_keeps_its_traceback(commands: Callable[..., None]) -> None:
    commands("run", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        frame.run(["run"])


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3), ("text", 0)])
def test_the_code_is_what_a_command_returns(returned: object, code: int, commands: Callable[..., None]) -> None:
    commands("check", lambda: returned)
    assert frame.run(["check"]) == code


def test_a_command_that_exits_by_itself_is_obeyed(commands: Callable[..., None]) -> None:
    commands("check", lambda: click.get_current_context().exit(3))
    assert frame.run(["check"]) == 3


def test_a_prompt_that_is_interrupted_is_no_success(
    commands: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    commands("dlq", raising(click.Abort()))
    assert frame.run(["dlq"]) == 1
    assert capsys.readouterr().err == "error: interrupted\n"


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["run", "--stop-at-ned"]) == 2
    assert "--stop-at-end" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "connector", "schema"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_without_settings_the_job_says_where_they_may_come_from() -> None:
    done = program("run")
    assert done.returncode == 2
    assert done.stderr == (
        "error: found no settings; name a file with -c or CONNECTOR_CONFIG, or set CONNECTOR__... variables\n"
    )


@pytest.mark.parametrize("way", ["option", "variable"])
def test_the_file_is_named_by_the_option_or_by_the_variable(way: str, tmp_path: Path) -> None:
    file = tmp_path / "there is none.yaml"
    done = program("run", "-c", str(file)) if way == "option" else program("run", CONNECTOR_CONFIG=str(file))
    assert done.returncode == 2
    assert done.stderr == f"error: {file}: found no such file; name it with -c or CONNECTOR_CONFIG\n"


def test_the_option_wins_over_the_variable(tmp_path: Path) -> None:
    done = program("run", "--config", str(tmp_path / "named"), CONNECTOR_CONFIG=str(tmp_path / "other"))
    assert str(tmp_path / "named") in done.stderr
    assert str(tmp_path / "other") not in done.stderr
