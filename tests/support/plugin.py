"""pytest's side of the real parts: fixtures, the marker `broker_can`, and what the summary says of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.broker import Broker
from tests.support.brokers import KIND_VARIABLE, KINDS, require, start_broker
from tests.support.parts import PartUnavailableError
from tests.support.registry import Registry
from tests.support.topics import Topics

_BROKER = pytest.StashKey[Broker]()
_LINES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--broker", choices=KINDS, help="use only this kind of broker; else the first that can be had")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LINES] = []
    config.addinivalue_line(
        "markers",
        "broker_can(*capabilities): skipped where the run's broker has not got these; see tests/support/broker.py",
    )
    if kind := config.getoption("--broker"):
        os.environ[KIND_VARIABLE] = kind


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> Iterator[Broker]:
    """The run's broker, shared. What a test does to it (kill, freeze) is undone after that test."""
    lines = pytestconfig.stash[_LINES]
    with start_broker(passed_over=lambda reason: lines.append(f"not {reason}")) as running:
        lines.append(f"broker: {running.description}")
        pytestconfig.stash[_BROKER] = running
        yield running
        del pytestconfig.stash[_BROKER]


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker for this test alone, with nothing in it."""
    if os.environ.get(KIND_VARIABLE) == "given":
        pytest.skip("needs a broker of its own; the run was told to use the given one")
    with start_broker() as running:
        if running.kind == "given":
            pytest.skip(f"needs a broker of its own; the run uses {running.description}")
        yield running


@pytest.fixture
def topics(broker: Broker) -> Iterator[Topics]:
    """Creates topics with names of their own, and deletes them after the test."""
    made = Topics(broker)
    yield made
    broker.heal()
    made.delete_all()


@pytest.fixture(scope="session")
def registry(pytestconfig: pytest.Config) -> Iterator[Registry]:
    """The run's schema registry, started when the first test asks for it; skips where it cannot be had."""
    try:
        running = Registry()
    except PartUnavailableError as reason:
        pytest.skip(f"needs a schema registry: {reason}")
    with running:
        pytestconfig.stash[_LINES].append(f"registry: {running.description}")
        yield running


@pytest.fixture(autouse=True)
def _skipped_where_the_broker_cannot(request: pytest.FixtureRequest) -> None:
    for mark in request.node.iter_markers("broker_can"):
        require(request.getfixturevalue("broker"), *mark.args)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    running = item.config.stash.get(_BROKER, None)
    if running is not None:
        running.heal()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[_LINES]:
        terminalreporter.write_line(line)
