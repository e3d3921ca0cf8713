"""The sender against the stand-in, which enforces the contract: both ends of the product agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from connector.airship.probe import probe
from connector.airship.sandbox import (
    DropFault,
    ExpireTokensFault,
    RunningSandbox,
    SandboxOptions,
    StatusFault,
    running_sandbox,
)
from connector.core.records import CredentialsRefused, HttpAnswer, TransportFault
from connector.http_thread import HttpThread
from tests.contract.loopback import SECONDS_MAX, Desk, airship_settings
from tests.contract.sandbox_requests import event

CLIENT_ID, CLIENT_SECRET = "client+id", "s/e:c%ret"
KEY = ec.generate_private_key(ec.SECP384R1())
EVENTS = json.dumps([event("purchased"), event("viewed")]).encode()


@pytest.fixture
def http() -> Iterator[HttpThread]:
    thread = HttpThread()
    thread.start()
    yield thread
    assert thread.stop(SECONDS_MAX)
    thread.raise_if_failed()


@pytest.fixture(scope="module")
def _running() -> Iterator[RunningSandbox]:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    options = SandboxOptions(tokens=(), client_id=CLIENT_ID, client_secret=CLIENT_SECRET, client_public_key=public)
    with running_sandbox(options) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: RunningSandbox) -> RunningSandbox:
    _running.clear_faults()
    _running.clear()
    return _running


def desk(http: HttpThread, sandbox: RunningSandbox, **oauth: object) -> Desk:
    given = {"client_id": CLIENT_ID} | (oauth or {"client_secret": CLIENT_SECRET})
    return Desk(http, sandbox.base_url, token_url=sandbox.token_url, auth={"oauth": given})


def accepted(sandbox: RunningSandbox) -> list[str]:
    return [entry.event["body"]["name"] for entry in sandbox.events()]


@pytest.mark.parametrize("by", ["secret", "assertion"])
def test_events_are_accepted(http: HttpThread, sandbox: RunningSandbox, by: str, tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    key_file.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    oauth = {"private_key_file": str(key_file)} if by == "assertion" else {"client_secret": CLIENT_SECRET}
    with desk(http, sandbox, **oauth) as sender:
        answer = sender.post(body=EVENTS)
    assert isinstance(answer, HttpAnswer)
    assert answer.status == 200
    assert json.loads(answer.body)["ok"] is True
    assert answer.date is not None
    assert accepted(sandbox) == ["purchased", "viewed"]


def test_refused_credentials(http: HttpThread, sandbox: RunningSandbox) -> None:
    with desk(http, sandbox, client_secret="wrong") as sender:
        assert isinstance(sender.post(body=EVENTS), CredentialsRefused)
    with desk(http, sandbox, client_secret=CLIENT_SECRET, scope="chn") as sender:
        answer = sender.post(body=EVENTS)
    assert isinstance(answer, HttpAnswer)
    assert answer.status == 403
    assert not accepted(sandbox)


def test_expired_tokens_are_renewed(http: HttpThread, sandbox: RunningSandbox) -> None:
    with desk(http, sandbox) as sender:
        sender.post(1, EVENTS)
        sandbox.set_fault(ExpireTokensFault())
        answer = sender.post(2, EVENTS)
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.sent_tokens) == (200, 2)
    assert len(accepted(sandbox)) == 4


def test_trouble_is_handed_out(http: HttpThread, sandbox: RunningSandbox) -> None:
    with desk(http, sandbox) as sender:
        sandbox.set_fault(StatusFault(status=503, retry_after=7, next=1))
        busy = sender.post(1, EVENTS)
        assert isinstance(busy, HttpAnswer)
        assert (busy.status, busy.retry_after) == (503, "7")
        sandbox.set_fault(DropFault(stored=True, next=1))
        dropped = sender.post(2, EVENTS)
        assert isinstance(dropped, TransportFault)
        assert dropped.kind == "disconnected"
        assert dropped.may_have_arrived
        assert isinstance(sender.post(3, EVENTS), HttpAnswer)


def test_probe_counts_as_no_event(sandbox: RunningSandbox) -> None:
    oauth = {"oauth": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}}
    probed = probe(airship_settings(sandbox.base_url, token_url=sandbox.token_url, auth=oauth))
    assert isinstance(probed.answer, HttpAnswer)
    assert probed.answer.status == 400
    assert not accepted(sandbox)
    refused = probe(airship_settings(sandbox.base_url, auth={"bearer_token": "unknown"}))
    assert isinstance(refused.answer, HttpAnswer)
    assert refused.answer.status == 401
