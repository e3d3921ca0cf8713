"""Every query of the dashboard and of the alerts, asked of a real Prometheus that scraped two members at work.

They meet a little of everything: traffic, late events, rejects, retries, a member that comes and goes, a blocked
delivery.
"""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import time
from typing import Any

import pytest
import yaml

from connector.airship.sandbox import RunningSandbox, SandboxOptions, running_sandbox
from connector.airship.sandbox.fault_rules import StatusFault
from connector.telemetry import metrics_page
from tests.integration.events import custom_event
from tests.support.broker import Broker
from tests.support.connector_process import Connector, settings_for
from tests.support.processes import ChildProcess, free_port, wait_until
from tests.support.topics import Record, Topics, produce
from tests.unit.telemetry.test_alerts import RULES, rules
from tests.unit.telemetry.test_dashboard import queries

PROMETHEUS = shutil.which("prometheus")

RIGHTLY_EMPTY: Mapping[str, str] = {
    "connector_records_expired_total": "no topic here expires its records",
}
"""Series that this run has no cause for."""

HAVE_CAUSE = {"AirshipConnectorBlocked", "AirshipConnectorRejects", "AirshipConnectorEventsLate"}
"""The alerts that this run is to raise, and no others."""

pytestmark = pytest.mark.skipif(
    PROMETHEUS is None, reason="no Prometheus on this machine (Debian: apt-get install prometheus)"
)


class Prometheus:
    def __init__(self, child: ChildProcess, port: int) -> None:
        self.child = child
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **query: str) -> Any:
        url = f"{self._url}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query or path}: {error.read().decode(errors='replace')}") from error

    def values(self, query: str) -> list[str]:
        """What a query gives at this moment, NaN left out."""
        found = self.get("/query", query=query)["result"]
        return [series["value"][1] for series in found if series["value"][1] != "NaN"]

    def has_scraped(self, members: Sequence[Connector], times: int) -> bool:
        if not self.child.listens_on(int(self._url.split(":")[2].split("/")[0])):
            return False
        try:
            found = self.get("/query", query=f"count_over_time(connector_partitions_assigned[5m]) >= {times}")
        except AssertionError:
            return False  # it listens and is not ready yet
        return len(found["result"]) == len(members)


@contextmanager
def prometheus(members: Sequence[Connector], directory: Path) -> Iterator[Prometheus]:
    """Scrapes each second, as a pod's labels would make it: one job, one namespace, an instance for each member."""
    targets = [f"127.0.0.1:{member.admin_port}" for member in members]
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "connector", "static_configs": [{"targets": targets, "labels": {"namespace": "shop"}}]}
        ],
    }
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    port = free_port()
    command = [
        str(PROMETHEUS),
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with ChildProcess("prometheus", command, log_path=directory / "prometheus.log") as child:
        yield Prometheus(child, port)


class Traffic:
    """Good events, half of them late, and rejects of two stages."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._numbers = count()

    def until(self, query: str, asked: Prometheus) -> None:
        """Goes on until the query has an answer."""

        def answered() -> bool:
            self._goes_on()
            return bool(asked.values(query))

        wait_until(answered, 60, query, asked.child)

    def _goes_on(self) -> None:
        some = [Record(custom_event(next(self._numbers)), key=b"%d" % at) for at in range(20)]
        minutes_ago_ms = int(time() * 1000) - 80_000
        late = [Record(custom_event(next(self._numbers)), timestamp_ms=minutes_ago_ms) for _ in range(20)]
        rejects = [Record(b"not json"), Record(custom_event(next(self._numbers), sandbox_refuse=True))]
        produce(self._broker.bootstrap_servers, self._topic, [*some, *late, *rejects])


@pytest.mark.timeout(300)
def test_every_query_has_an_answer_from_a_prometheus_that_scraped_a_real_run(
    broker: Broker, topics: Topics, tmp_path: Path
) -> None:
    topic, dead = topics.create("orders", 4), topics.create("dead", 1)
    traffic = Traffic(broker, topic)
    with running_sandbox(SandboxOptions(tokens=("test-token",))) as sandbox:
        settings = settings_for(
            broker.bootstrap_servers,
            topics.unique_name("group"),
            sandbox.base_url,
            [{"topics": [topic], "format": "json"}],
            dead,
        )
        settings["dead_letters"]["rejects_share_max"] = 1.0
        sampled = {"OTEL_TRACES_EXPORTER": "console"}  # exemplars lead to traces
        with (
            Connector(tmp_path, settings, name="first", environment=sampled) as first,
            Connector(tmp_path, settings, name="second", environment=sampled) as second,
            prometheus([first, second], tmp_path) as asked,
        ):
            work_a_little_of_everything(traffic, sandbox, asked, [first, second])
            with Connector(tmp_path, settings, name="newcomer"):
                traffic.until('increase(connector_rebalances_total{event="revoked"}[1m]) > 0', asked)
            sandbox.set_fault(StatusFault(status=401, body="text"))
            traffic.until('connector_delivery_blocked{reason="unauthorized"} > 0', asked)
            expect_answers(asked)
            expect_sound_rules(asked)
            exemplars = asked.get(
                "/query_exemplars",
                query="http_client_request_duration_seconds_bucket",
                start=str(time() - 300),
                end=str(time()),
            )
            assert exemplars[0]["exemplars"][0]["labels"]["trace_id"]


def work_a_little_of_everything(
    traffic: Traffic, sandbox: RunningSandbox, asked: Prometheus, members: Sequence[Connector]
) -> None:
    first, second = members
    wait_until(lambda: asked.has_scraped(members, 3), 60, "both to be scraped", asked.child)
    wait_until(lambda: first.status()["partitions"] and second.status()["partitions"], 30, "both to hold partitions")
    traffic.until('connector_records_settled_total{evidence="dead_lettered"} > 0', asked)
    sandbox.set_fault(StatusFault(status=503, next=3))
    traffic.until('connector_requests_retried_total{reason="server_error"} > 0', asked)
    second.process.terminate()  # the first is given its partitions
    second.expect_end(20)
    traffic.until("connector_partitions_assigned == 4", asked)


def filled_in(query: str) -> str:
    return query.replace("$__rate_interval", "1m").replace("$namespace", ".*").replace("$job", ".*")


def expect_answers(asked: Prometheus) -> None:
    unanswered = [(title, query) for title, query in queries() if not asked.values(filled_in(query))]
    assert unanswered == []


def expect_sound_rules(asked: Prometheus) -> None:
    """Each rule is evaluated without a fault, each of its selectors finds series, and those alert that have cause."""
    wait_until(
        lambda: all(rule["health"] == "ok" for rule in evaluated(asked)), 30, "each rule to be evaluated", asked.child
    )
    assert len(evaluated(asked)) == len(list(rules()))
    for rule in rules():
        for name, labels in re.findall(r"\b(\w+)(\{[^}]*\})?", rule["expr"]):
            if name in metrics_page.sample_names() and name not in RIGHTLY_EMPTY:
                assert asked.values(f"count({name}{labels})"), f"{name}{labels} of {rule.get('alert', rule)}"
    wait_until(lambda: alerting(asked) >= HAVE_CAUSE, 30, f"{HAVE_CAUSE} to be pending", asked.child)
    assert alerting(asked) == HAVE_CAUSE


def alerting(asked: Prometheus) -> set[str]:
    return {rule["name"] for rule in evaluated(asked) if rule["type"] == "alerting" and rule["state"] != "inactive"}


def evaluated(asked: Prometheus) -> list[dict[str, Any]]:
    return [rule for group in asked.get("/rules")["groups"] for rule in group["rules"]]
