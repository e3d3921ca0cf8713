"""The token endpoint: both variants, each check, and what an issued token is worth."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import httpx
import jwt
import pytest
import urbanairship
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from urbanairship.custom_events import CustomEvent
from urbanairship.urls import Urls

from connector.airship.sandbox import (
    EXAMPLE_APP_KEY,
    ExpireTokensFault,
    RunningSandbox,
    SandboxOptions,
    StatusFault,
    running_sandbox,
)
from tests.contract.sandbox_requests import client_of, event, post

CLIENT_ID, CLIENT_SECRET = "client+id", "s/e:c%ret"


def _pem_pair() -> tuple[str, bytes]:
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


PRIVATE_KEY, PUBLIC_KEY = _pem_pair()
OTHER_PRIVATE_KEY, _ = _pem_pair()


@pytest.fixture(scope="module")
def _running() -> Iterator[RunningSandbox]:
    options = SandboxOptions(
        tokens=(), client_id=CLIENT_ID, client_secret=CLIENT_SECRET, client_public_key=PUBLIC_KEY, token_seconds=100
    )
    with running_sandbox(options) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: RunningSandbox) -> RunningSandbox:
    _running.clear_faults()
    _running.clear()
    return _running


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.base_url, headers={"Accept": "application/json"}, trust_env=False) as client:
        yield client


def _basic(client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
FORM = {"grant_type": "client_credentials", "sub": f"app:{EXAMPLE_APP_KEY}", "scope": "evt"}


def _by_secret(client: httpx.Client, headers: dict[str, str] | None = None, **changed: str | None) -> httpx.Response:
    form = {name: value for name, value in {**FORM, **changed}.items() if value is not None}
    return client.post("/token", data=form, headers=_basic() if headers is None else headers)


def _assertion(
    audience: str,
    key: str = PRIVATE_KEY,
    algorithm: str = "ES384",
    header: dict[str, Any] | None = None,
    **changed: Any,
) -> str:
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": CLIENT_ID,
        "sub": f"app:{EXAMPLE_APP_KEY}",
        "iat": now,
        "exp": now + 600,
        "nonce": str(uuid4()),
        "scope": "evt",
        **changed,
    }
    claims = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": CLIENT_ID} if header is None else header)


def _by_assertion(client: httpx.Client, assertion: str, **headers: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "assertion": assertion}
    return client.post("/token", data=form, headers=headers)


def _status_with(sandbox: RunningSandbox, token: str, app_key: str = EXAMPLE_APP_KEY) -> int:
    headers = {"Authorization": f"Bearer {token}", "X-UA-Appkey": app_key}
    with client_of(sandbox, **headers) as events_client:
        return post(events_client, [event()]).status_code


def test_a_client_secret_gets_a_token_that_is_accepted(sandbox: RunningSandbox, client: httpx.Client) -> None:
    answer = _by_secret(client)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    token = answer.json().pop("access_token")
    assert {**answer.json(), "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 100,
        "scope": "evt",
    }
    assert _status_with(sandbox, token) == 200
    assert _status_with(sandbox, token, "other_key_000000000000") == 401
    assert _status_with(sandbox, "made-up") == 401
    assert sandbox.summary().token_requests_by_status == {"200": 1}


def test_a_signed_assertion_gets_a_token_that_is_accepted(sandbox: RunningSandbox, client: httpx.Client) -> None:
    answer = _by_assertion(client, _assertion(sandbox.token_url))
    assert answer.status_code == 200
    assert _status_with(sandbox, answer.json()["access_token"]) == 200


def test_the_official_python_client_gets_its_token_here(sandbox: RunningSandbox) -> None:
    airship = urbanairship.OAuthClient(EXAMPLE_APP_KEY, CLIENT_ID, PRIVATE_KEY, scope=["evt"])
    airship.token_url = sandbox.token_url
    airship.urls = Urls(base_url=f"{sandbox.base_url}/api/")
    try:
        sent = CustomEvent(airship, name="purchased", user={"named_user": "hugh.manbeing"}).send()
    finally:
        airship.session.close()
    assert sent["ok"] is True
    assert sandbox.summary().accepted == 1


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"sub": None}, 400, "invalid_request"),
        ({"sub": EXAMPLE_APP_KEY}, 400, "invalid_request"),
        ({"sub": "app:short"}, 400, "invalid_request"),
        ({"headers": {}}, 401, "invalid_client"),
        ({"headers": {"Authorization": "Basic ###"}}, 401, "invalid_client"),
        ({"headers": {"Authorization": "Bearer x"}}, 401, "invalid_client"),
        ({"headers": _basic(client_secret="wrong")}, 401, "invalid_client"),
        ({"headers": _basic(client_id="wrong")}, 401, "invalid_client"),
        ({"headers": {**_basic(), "Accept": "text/html"}}, 406, "not_acceptable"),
    ],
)
def test_each_parameter_beside_a_secret_is_checked(
    client: httpx.Client, changed: dict[str, Any], status: int, error: str
) -> None:
    answer = _by_secret(client, **changed)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]
    assert CLIENT_SECRET not in answer.text


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"algorithm": "HS256", "key": "k" * 64}, "ES384"),
        ({"header": {}}, "kid"),
        ({"header": {"kid": "another"}}, "kid"),
        ({"iss": "another"}, "iss"),
        ({"iss": ...}, "iss"),
        ({"sub": ...}, "sub"),
        ({"sub": "app:short"}, "sub"),
        ({"audience": "https://oauth2.asnapius.com/token"}, "aud"),
        ({"iat": ...}, "iat"),
        ({"iat": int(time.time()) + 900}, "iat"),
        ({"exp": ...}, "exp"),
        ({"exp": int(time.time()) + 900}, "10 minutes"),
        ({"exp": int(time.time()) - 1}, "expired"),
        ({"exp": "soon"}, "exp"),
        ({"nonce": ...}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"scope": 5}, "scope"),
        ({"key": OTHER_PRIVATE_KEY}, "signature"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else None,
)
def test_each_claim_of_an_assertion_is_checked(
    sandbox: RunningSandbox, client: httpx.Client, changed: dict[str, Any], says: str
) -> None:
    answer = _by_assertion(client, _assertion(**{"audience": sandbox.token_url, **changed}))
    assert answer.status_code in {400, 401}
    assert says in answer.json()["error_description"]


def test_an_assertion_that_cannot_be_read_or_comes_with_a_secret_is_refused(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    assert _by_assertion(client, "not.a.token").json()["error"] == "invalid_grant"
    both = _by_assertion(client, _assertion(sandbox.token_url), **_basic())
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")


def test_a_nonce_is_good_once_in_two_hours(sandbox: RunningSandbox, client: httpx.Client) -> None:
    def ask() -> int:
        return _by_assertion(client, _assertion(sandbox.token_url, nonce="once")).status_code

    assert [ask(), ask()] == [200, 400]
    sandbox.advance_clock(2 * 3600 - 60)
    assert ask() == 400
    sandbox.advance_clock(120)
    assert ask() == 200


def test_a_refused_assertion_does_not_use_its_nonce_up(sandbox: RunningSandbox, client: httpx.Client) -> None:
    assert _by_assertion(client, _assertion(sandbox.token_url, nonce="kept", sub="app:short")).status_code == 400
    assert _by_assertion(client, _assertion(sandbox.token_url, nonce="kept")).status_code == 200


@pytest.mark.parametrize(("scope", "status"), [("evt", 200), ("psh evt", 200), ("psh", 403), (None, 403)])
def test_without_the_scope_for_events_a_token_is_403(
    sandbox: RunningSandbox, client: httpx.Client, scope: str | None, status: int
) -> None:
    token = _by_secret(client, scope=scope).json()["access_token"]
    assert _status_with(sandbox, token) == status


def test_an_issued_token_expires(sandbox: RunningSandbox, client: httpx.Client) -> None:
    token = _by_secret(client).json()["access_token"]
    sandbox.advance_clock(98)
    assert _status_with(sandbox, token) == 200
    sandbox.advance_clock(3)
    assert _status_with(sandbox, token) == 401
    assert _status_with(sandbox, _by_secret(client).json()["access_token"]) == 200


def test_issued_tokens_expire_on_request_though_they_were_never_used(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    token = _by_secret(client).json()["access_token"]
    sandbox.set_fault(ExpireTokensFault())
    assert _status_with(sandbox, token) == 401
    assert _status_with(sandbox, _by_secret(client).json()["access_token"]) == 200


def test_setting_the_date_leaves_tokens_and_assertions_alone(sandbox: RunningSandbox, client: httpx.Client) -> None:
    token = _by_secret(client).json()["access_token"]
    assert client.post("/sandbox/clock", json={"now": "2020-05-03T00:00:00Z"}).status_code == 200
    try:
        assert _status_with(sandbox, token) == 200
        assert _by_assertion(client, _assertion(sandbox.token_url)).status_code == 200
    finally:
        client.post("/sandbox/clock", json={"now": None})


def test_a_fault_of_the_token_endpoint(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.set_fault(StatusFault(status=503, target="token", next=1, retry_after=2))
    refused = _by_secret(client)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert _by_secret(client).status_code == 200


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get("/token"),
        lambda client: client.post("/token", json=FORM, headers=_basic()),
        lambda client: client.post("/token", content=b"\xff=%zz", headers={**_basic(), **FORM_TYPE}),
        lambda client: client.post("/token", content=b"a=&" * 101, headers={**_basic(), **FORM_TYPE}),
    ],
    ids=["GET", "JSON", "garbage", "too many fields"],
)
def test_anything_but_a_posted_form_is_refused(
    client: httpx.Client, ask: Callable[[httpx.Client], httpx.Response]
) -> None:
    assert 400 <= ask(client).status_code < 500


def test_told_nothing_it_takes_any_client_and_cannot_verify_signatures() -> None:
    with running_sandbox() as sandbox, httpx.Client(base_url=sandbox.base_url, trust_env=False) as client:
        assert _by_secret(client, headers=_basic("anybody", "anything")).status_code == 200
        assert _by_secret(client, headers=_basic("anybody", "")).status_code == 401
        assert _by_assertion(client, _assertion(sandbox.token_url, key=OTHER_PRIVATE_KEY)).status_code == 200


def test_told_an_audience_it_takes_that_one_alone() -> None:
    options = SandboxOptions(token_audience="https://oauth2.asnapius.com/token")
    with running_sandbox(options) as sandbox, httpx.Client(base_url=sandbox.base_url, trust_env=False) as client:
        assert _by_assertion(client, _assertion("https://oauth2.asnapius.com/token")).status_code == 200
        assert _by_assertion(client, _assertion(sandbox.token_url)).status_code == 400


def test_another_kind_of_key_is_refused_at_the_start() -> None:
    weak = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match="P-384"), running_sandbox(SandboxOptions(client_public_key=pem)):
        pass
