"""What `check` makes of an answer, without a world: each outcome has its state, its words and its mend."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest
from confluent_kafka import KafkaError

from connector.airship.probe import Probed
from connector.cli.check import _show
from connector.cli.checks.cluster import _unreachable
from connector.cli.checks.cluster_admin import Refused
from connector.cli.checks.endpoint import clocks, judged
from connector.cli.checks.findings import Finding, fail, ok
from connector.core.records import Answer, CredentialsRefused, HttpAnswer, TransportFault
from connector.settings import Settings
from tests.unit.configuration.documents import changed

SETTINGS = Settings.model_validate(changed())
NOW = 1_800_000_000.0


def probed(answer: Answer, seconds: float = 0.1) -> Probed:
    return Probed("https://go.urbanairship.com/api/custom-events", answer, seconds)


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (HttpAnswer(400, b""), "ok", "took the credentials"),
        (HttpAnswer(422, b""), "ok", "took the credentials"),
        (HttpAnswer(200, b""), "ok", "took the credentials"),
        (HttpAnswer(401, b""), "fail", "airship.auth.bearer_token"),
        (HttpAnswer(403, b""), "fail", "scope `evt`"),
        (HttpAnswer(404, b""), "fail", "airship.base_url"),
        (HttpAnswer(301, b""), "fail", "airship.base_url"),
        (HttpAnswer(501, b""), "fail", "airship.base_url"),
        (HttpAnswer(429, b""), "warn", "has trouble now"),
        (HttpAnswer(503, b""), "warn", "has trouble now"),
        (CredentialsRefused("the token endpoint answered 400 invalid_client"), "fail", "invalid_client"),
        (TransportFault("tls", "certificate verify failed"), "fail", "airship.ca_file"),
        (TransportFault("timeout", "no answer in 10 s"), "fail", "airship.proxy"),
        (TransportFault("credentials_unavailable", "the token endpoint: refused"), "fail", "token endpoint"),
    ],
)
def test_every_answer_of_the_endpoint_has_its_finding(answer: Answer, state: str, word: str) -> None:
    finding = judged(SETTINGS, probed(answer))
    assert finding.state == state
    assert word in f"{finding.found} {finding.mend}"
    assert bool(finding.mend) == (state != "ok")


@pytest.mark.parametrize(
    ("auth", "named"),
    [
        ({"bearer_token": "token"}, "airship.auth.bearer_token and"),
        ({"bearer_token_file": "/run/token"}, "airship.auth.bearer_token_file"),
        ({"oauth": {"client_id": "c", "client_secret": "s"}}, "airship.auth.oauth"),
    ],
)
def test_a_refused_token_names_the_setting_that_it_came_from(auth: dict[str, Any], named: str) -> None:
    settings = Settings.model_validate(changed(airship__auth=auth))
    assert named in judged(settings, probed(HttpAnswer(401, b""))).mend


@pytest.mark.parametrize(
    ("ahead", "state", "word"),
    [
        (0.0, "ok", "agree"),
        (1.9, "ok", "agree"),
        (12.0, "ok", "12 s ahead of"),
        (-12.0, "ok", "12 s behind"),
        (31.0, "warn", "31 s ahead of"),
        (-3600.0, "warn", "3600 s behind"),
    ],
)
def test_clocks_are_compared_with_the_date_of_the_answer(ahead: float, state: str, word: str) -> None:
    answer = HttpAnswer(400, b"", date=formatdate(NOW, usegmt=True))
    finding = clocks(SETTINGS, probed(answer), NOW + ahead)
    assert (finding.state, word in finding.found) == (state, True)


def test_a_slow_answer_is_no_wrong_clock() -> None:
    answer = HttpAnswer(400, b"", date=formatdate(NOW, usegmt=True))
    assert "agree" in clocks(SETTINGS, probed(answer, seconds=9.0), NOW + 9.5).found


@pytest.mark.parametrize("answer", [HttpAnswer(400, b""), HttpAnswer(400, b"", date="soon"), TransportFault("tls", "")])
def test_clocks_are_not_compared_with_nothing(answer: Answer) -> None:
    assert clocks(SETTINGS, probed(answer), NOW).state == "skip"


@pytest.mark.parametrize(
    ("code", "said", "mend"),
    [
        (KafkaError._AUTHENTICATION, "SASL authentication error: Authentication failed", "sasl.username"),
        (KafkaError._RESOLVE, "Failed to resolve 'kafka:9092': Name or service not known", "name service"),
        (KafkaError._SSL, "SSL handshake failed: certificate verify failed: unable to get local issuer", "ssl.ca"),
        (KafkaError._SSL, "SSL handshake failed: wrong version number", "security.protocol for that port"),
        (KafkaError._TRANSPORT, "Disconnected: connecting to a PLAINTEXT broker listener?", "speaks no TLS"),
        (
            KafkaError._TRANSPORT,
            "Disconnected: might be caused by incorrect security.protocol (connecting to a SSL listener?)",
            "{security.protocol: ssl}",
        ),
        (KafkaError._TRANSPORT, "Connect to ipv4#127.0.0.1:9 failed: Connection refused", "start it"),
        (KafkaError._TIMED_OUT, "Connection setup timed out", "firewall"),
        (None, "no answer within 10 s", "firewall"),
    ],
)
def test_a_broker_that_is_not_reached_has_a_mend_for_its_reason(code: int | None, said: str, mend: str) -> None:
    finding = _unreachable(SETTINGS, Refused(code, said))
    assert finding.state == "fail"
    assert said in finding.found
    assert mend in finding.mend


def test_a_finding_is_one_line_whatever_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    _show(fail("broker", "refused\nby  the\tbroker", "start it"), as_json=False)
    _show(ok("settings", "valid"), as_json=False)
    assert capsys.readouterr().out == "fail  broker: refused by the broker; to mend: start it\nok    settings: valid\n"


def test_a_program_gets_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    finding = fail("broker", "ärger", "start it")
    _show(finding, as_json=True)
    assert Finding(**json.loads(capsys.readouterr().out)) == finding
