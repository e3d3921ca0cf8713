"""Every command of the pages is one that there is, with its options; and it is run somewhere, or it is told why not."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

import click
import pytest

from connector.cli.main import command_line
from tests.docs.pages import PAGES, ROOT, Command, commands, name_of, spans

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
BLOCKS = [command for page in PAGES for command in commands(page)]

RUN_BY = [
    # (where it stands, how it begins, the test that runs it or does the same, or why none does)
    ("README.md", "make install", "make test begins with it"),
    ("README.md", ".venv/bin/airship-connector demo", "tests/docs/test_runs.py"),
    ("README.md", ".venv/bin/airship-connector", "tests/docs/test_front_page.py"),
    ("README.md", "make test", "it runs this"),
    (
        "bench/README.md",
        "",
        "minutes of a quiet machine; tests/unit/test_bench_report.py has what it does with figures",
    ),
    ("docs/dead-letters.md", "airship-connector dlq", "tests/integration/test_dlq.py"),
    ("docs/deployment.md", "", "tests/chart/test_docs.py; tests/chart/test_cluster.py runs them in a cluster"),
    ("docs/fault-matrix.md", "make chaos", "takes half an hour; tests/chaos/test_chaos.py has a short form"),
    ("docs/image.md", "", "tests/image/test_guide.py"),
    ("docs/install.md", "python3 -m venv", "tests/image builds the same with the same files; downloads"),
    ("docs/install.md", "/opt/airship-connector/bin/python -m pip", "tests/image builds the same; downloads"),
    ("docs/install.md", "CONNECTOR_SECRETS_DIR=secrets", "tests/docs/test_install.py, with --settings-only"),
    ("docs/install.md", "install ", "needs root; writes to /etc"),
    ("docs/install.md", "systemctl ", "needs a machine that systemd runs; tests/docs/test_install.py has the unit"),
    ("docs/install.md", "docker compose", "needs an engine with Compose; tests/docs/test_install.py has the file"),
    ("docs/mapping.md", "airship-connector preview -c connector.yaml --topic orders --file", "tests/docs/test_runs.py"),
    ("docs/mapping.md", "airship-connector preview", "tests/integration/test_preview.py"),
    ("docs/operations.md", "airship-connector dlq", "tests/integration/test_dlq.py"),
    ("docs/operations.md", "airship-connector preview", "tests/integration/test_preview.py"),
    ("docs/sandbox.md", "airship-connector sandbox", "tests/contract/test_sandbox_command.py, at a free port"),
    ("docs/sandbox.md", "curl", "tests/contract/test_sandbox_contract.py and test_sandbox_faults.py"),
    ("docs/security.md", "kafka-acls.sh", "Kafka's own tool; tests/integration/test_chart_rights.py has the rights"),
    ("docs/tracing.md", "curl", "tests/integration/test_tracing_backends.py"),
    ("docs/upgrading.md", "airship-connector check", "tests/docs/test_install.py"),
    ("docs/upgrading.md", "airship-connector dlq", "tests/integration/test_dlq.py"),
    ("docs/upgrading.md", "kubectl", "needs a cluster"),
    ("docs/upgrading.md", "helm upgrade", "tests/chart/test_cluster.py"),
    ("docs/upgrading.md", "kafka-consumer-groups.sh", "Kafka's own tool"),
    ("examples/README.md", "airship-connector preview", "tests/docs/test_runs.py"),
    ("helm/airship-connector/README.md", "", "needs a cluster: tests/chart/test_cluster.py"),
    (
        "tests/README.md",
        "",
        "builds programs of others; what they are for says tests/integration/test_tracing_backends.py",
    ),
]


def inline() -> Iterator[Command]:
    for page in PAGES:
        for span in spans(page):
            if re.match(r"(airship-connector|make|python -m)( |$)", span):
                # alternatives and what may be left out are written in brackets
                yield Command(name_of(page), re.sub(r"[()\[\]]| \\?\| | \.\.\.", " ", span).replace("  ", " "))


ALL = [*BLOCKS, *inline()]


def of_program(name: str) -> list[Command]:
    return sorted({command for command in ALL if command.words[0] == name})


def faults(group: click.Command, words: list[str]) -> str:
    """What click has against these arguments; no command is run, and no file is looked for."""
    context = click.Context(group, info_name=group.name)
    while isinstance(group, click.Group) and words and not words[0].startswith("-"):
        found = group.get_command(context, words[0])
        assert found is not None, words[0]
        group, context, words = found, click.Context(found, info_name=found.name, parent=context), words[1:]
    try:
        given, left, _ = group.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    for parameter in group.params:
        value = given.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            try:
                parameter.type.convert(value, parameter, context)
            except click.UsageError as error:
                return error.format_message()
    return f"left over: {left}" if left else ""


@pytest.mark.parametrize("command", of_program("airship-connector"), ids=lambda command: command.line)
def test_the_program_takes_it(command: Command) -> None:
    words = [word for word in command.words[1:] if word != "..."]
    assert faults(command_line, words) == "", command


def test_click_is_asked() -> None:
    assert len(of_program("airship-connector")) > 25
    assert "No such option" in faults(command_line, ["run", "--stop-at-the-end"])
    with pytest.raises(click.UsageError, match="No such command"):
        faults(command_line, ["replay"])
    assert "is not one of" in faults(command_line, ["dlq", "replay", "--to", "kafka"])


@pytest.mark.parametrize("command", of_program("make"), ids=lambda command: command.line)
def test_make_has_the_target(command: Command) -> None:
    """A variable is one of the Makefile, or handed through to what the target runs."""
    programs = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/*/__main__.py"))
    for word in command.words[1:]:
        if name := re.match(r"([A-Z_]+)=", word):
            assert name[1] in MAKEFILE + programs, command
        else:
            assert word in TARGETS, command


@pytest.mark.parametrize("command", of_program("python"), ids=lambda command: command.line)
def test_python_has_the_module(command: Command) -> None:
    match command.words[1:]:
        case ["-m", name, *_] if name not in {"venv", "pip"}:
            assert importlib.util.find_spec(name) is not None, command


@pytest.mark.parametrize("command", sorted(set(BLOCKS)), ids=lambda command: command.line)
def test_a_test_runs_it_or_it_is_said_why_not(command: Command) -> None:
    told = next((by for page, start, by in RUN_BY if page == command.page and command.line.startswith(start)), None)
    assert told is not None, f"add {command} to RUN_BY"
    for path in re.findall(r"tests/[\w/.]+", told):
        assert (ROOT / path.rstrip(".")).exists(), path


def test_no_entry_is_left_of_what_is_gone() -> None:
    first = [
        next((entry for entry in RUN_BY if entry[0] == command.page and command.line.startswith(entry[1])), None)
        for command in BLOCKS
    ]
    assert [entry for entry in RUN_BY if entry not in first] == []
