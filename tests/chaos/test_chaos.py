"""The matrix as tests: a short form with every run, and the whole of it with `-m chaos`.

`make chaos` is the same with a table; it says how to read a violation.
"""

from __future__ import annotations

import os

import pytest

from tests.chaos.plan import PLAN, Act, Scenario
from tests.chaos.runner import run_scenario, seeds_of
from tests.support.broker import Broker

SEED = int(os.environ.get("SEED") or 1)
SHORT = [(scenario, scenario.short) for scenario in PLAN if scenario.short is not None]


def _skip_where_it_cannot(broker: Broker, scenario: Scenario) -> None:
    if lacking := scenario.lacking(broker):
        pytest.skip(f"needs a broker that can {', '.join(lacking)}; this run uses {broker.description}")


@pytest.mark.integration
@pytest.mark.parametrize(("scenario", "act"), SHORT, ids=[scenario.name for scenario, _ in SHORT])
def test_short(broker: Broker, scenario: Scenario, act: Act) -> None:
    _skip_where_it_cannot(broker, scenario)
    row = run_scenario(broker, scenario, act, iter([SEED]), print)
    assert row.violations == []
    assert row.incidents > 0


@pytest.mark.integration
@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", PLAN, ids=[scenario.name for scenario in PLAN])
def test_long(broker: Broker, scenario: Scenario) -> None:
    _skip_where_it_cannot(broker, scenario)
    row = run_scenario(broker, scenario, scenario.act, seeds_of(scenario, SEED), print)
    assert row.violations == []
