"""Credentials against a real endpoint and a real token URL: static, file, OAuth2 by secret and by assertion."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from connector.airship.auth import FILE_CHECK_SECONDS, Issued
from connector.airship.oauth import read_token_answer
from connector.airship.probe import probe
from connector.core.records import Answer, CredentialsRefused, HttpAnswer, TransportFault
from connector.errors import SettingsError
from connector.http_thread import BLOCKING_THREADS_MAX, HttpThread
from tests.contract.loopback import REQUESTS_MAX, SECONDS_MAX, Desk, Exchange, airship_settings, loopback

CLIENT_ID, CLIENT_SECRET = "client+id", "s/e:c%ret"


@pytest.fixture
def http() -> Iterator[HttpThread]:
    thread = HttpThread()
    thread.start()
    yield thread
    assert thread.stop(SECONDS_MAX)
    thread.raise_if_failed()


class Gate:
    """An endpoint that lets in who has one of the valid tokens."""

    def __init__(self, *valid: str) -> None:
        self.valid = set(valid)
        self.status = 401
        self.seen: list[str] = []

    def __call__(self, exchange: Exchange) -> None:
        token = exchange.request.headers["authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        if token in self.valid:
            exchange.reply()
        else:
            exchange.reply(self.status, b"Unauthorized", {"WWW-Authenticate": "Bearer"})


def statuses(*answers: Answer) -> list[int]:
    assert all(isinstance(answer, HttpAnswer) for answer in answers)
    return [answer.status for answer in answers if isinstance(answer, HttpAnswer)]


# A token from the settings


def test_a_static_token_is_refused_once(http: HttpThread) -> None:
    gate = Gate()
    with loopback(gate) as server, Desk(http, server.url) as desk:
        answer = desk.post()
    assert answer == HttpAnswer(401, b"Unauthorized", www_authenticate="Bearer")
    assert gate.seen == ["secret-token-1"]


@pytest.mark.parametrize("token", ["", "   ", "two words", "line\nbreak", "umlaut-\u00e4", "x" * 20_000])
def test_a_token_that_no_header_may_contain(token: str) -> None:
    with pytest.raises(SettingsError, match=r"airship\.auth\.bearer_token: ") as caught:
        Desk(HttpThread(), "http://127.0.0.1:1", auth={"bearer_token": token})
    assert not token.strip() or token not in str(caught.value)


# A token from a file


def file_desk(http: HttpThread, url: str, path: Path) -> Desk:
    return Desk(http, url, auth={"bearer_token_file": str(path)})


def replace(path: Path, token: str) -> None:
    """As a mounted secret is replaced: a new file under the old name."""
    new = path.with_suffix(".new")
    new.write_text(token)
    new.replace(path)


def test_a_token_file_is_read_and_trimmed(http: HttpThread, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("  first \n")
    gate = Gate("first")
    with loopback(gate) as server, file_desk(http, server.url, path) as desk:
        assert statuses(desk.post()) == [200]
    assert gate.seen == ["first"]


def test_a_new_token_is_used_without_a_401(http: HttpThread, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    gate = Gate("first", "second")
    with loopback(gate) as server, file_desk(http, server.url, path) as desk:
        desk.post(1)
        replace(path, "second")
        number, end = 2, time.monotonic() + FILE_CHECK_SECONDS + SECONDS_MAX
        while gate.seen[-1] != "second":
            assert time.monotonic() < end
            assert statuses(desk.post(number)) == [200]
            number += 1


def test_a_401_reads_the_file_at_once_and_repeats_once(http: HttpThread, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    gate = Gate("first")
    with loopback(gate) as server, file_desk(http, server.url, path) as desk:
        desk.post(1)
        stamp = path.stat()
        path.write_text("later")  # in place, and the time put back: the look after a 401 does not trust the time
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        gate.valid = {"later"}
        answer = desk.post(2)
        assert isinstance(answer, HttpAnswer)
        assert (answer.status, answer.sent_tokens) == (200, 2)
    assert gate.seen == ["first", "first", "later"]


def test_a_401_with_the_same_token_in_the_file_is_handed_out(http: HttpThread, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    gate = Gate()
    with loopback(gate) as server, file_desk(http, server.url, path) as desk:
        answer = desk.post(1)
        assert isinstance(answer, HttpAnswer)
        assert (answer.status, answer.sent_tokens) == (401, 1)
        replace(path, "second")  # healed without a restart
        gate.valid = {"second"}
        assert statuses(desk.post(2)) == [200]
    assert gate.seen == ["first", "first", "second"]


def test_a_second_401_is_the_answer(http: HttpThread, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    gate = Gate("first")
    with loopback(gate) as server, file_desk(http, server.url, path) as desk:
        desk.post(1)
        gate.valid = set()
        replace(path, "second")
        answer = desk.post(2)
        assert isinstance(answer, HttpAnswer)
        assert (answer.status, answer.sent_tokens) == (401, 2)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read: No such file"),
        (b"", "found 0 characters"),
        (b" \n", "found 0 characters"),
        (b"two words", "found a space"),
        (b"\xff\xfe", "outside ASCII"),
        (b"x" * 100_000, "expected 1 to"),
    ],
)
def test_a_token_file_that_cannot_be_used(http: HttpThread, tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    gate = Gate("good")
    with loopback(gate) as server, file_desk(http, server.url, path) as desk:
        refused = desk.post(1)
        assert isinstance(refused, CredentialsRefused)
        assert text in refused.detail
        assert str(path) in refused.detail
        replace(path, "good")
        assert statuses(desk.post(2)) == [200]
    assert gate.seen == ["good"]


def test_a_file_that_vanishes_does_not_take_the_token_away(
    http: HttpThread, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    gate = Gate("first")
    with loopback(gate) as server, file_desk(http, server.url, path) as desk:
        desk.post(1)
        path.unlink()
        number, end = 2, time.monotonic() + FILE_CHECK_SECONDS + SECONDS_MAX
        while "No such file" not in caplog.text:
            assert time.monotonic() < end
            assert statuses(desk.post(number)) == [200]
            number += 1
        gate.valid = set()
        assert statuses(desk.post(number)) == [401]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_token_file_that_hangs(http: HttpThread, tmp_path: Path) -> None:
    """Opening a pipe that nobody writes blocks: the request ends at its own deadline all the same."""
    path = tmp_path / "token"
    os.mkfifo(path)
    assert stat.S_ISFIFO(path.stat().st_mode)
    with Desk(http, "http://127.0.0.1:1", auth={"bearer_token_file": str(path)}, request_timeout_ms=200) as desk:
        fault = desk.post()
    path.write_text("x")  # lets the reader go
    assert isinstance(fault, TransportFault)
    assert (fault.kind, fault.may_have_arrived) == ("credentials_unavailable", False)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_file_system_that_hangs_holds_one_thread(
    http: HttpThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are needed: to look up the endpoint's address, for one."""
    monkeypatch.setattr("connector.airship.auth.FILE_READ_SECONDS_MAX", 0.02)
    path = tmp_path / "token"
    os.mkfifo(path)
    with Desk(http, "http://127.0.0.1:1", auth={"bearer_token_file": str(path)}) as desk:
        for number in range(BLOCKING_THREADS_MAX + 1):
            fault = desk.post(number)
            assert isinstance(fault, TransportFault)
            assert "could not be read within" in fault.detail
        assert http.run_blocking(lambda: "looked up").result(SECONDS_MAX / 2) == "looked up"
    path.write_text("x")


# OAuth2


class TokenUrl:
    """Issues token-1, token-2, ... and tells the gate, unless told to answer something else."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.issued = 0
        self.answer: tuple[int, bytes] | None = None
        self.expires_in: object = 3600
        self.wait: threading.Event | None = None
        self.forms: list[dict[str, list[str]]] = []
        self.headers: list[dict[str, str]] = []

    def __call__(self, exchange: Exchange) -> None:
        assert exchange.request.target == "/token"
        self.forms.append(parse_qs(exchange.request.body.decode(), strict_parsing=True))
        self.headers.append(exchange.request.headers)
        if self.wait is not None:
            assert self.wait.wait(SECONDS_MAX)
        if self.answer is not None:
            exchange.reply(*self.answer)
            return
        self.issued += 1
        token = f"token-{self.issued}"
        self.gate.valid.add(token)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in, "scope": "evt"}
        exchange.reply(200, json.dumps(body).encode())


class Oauth:
    """Gate, token URL and a sender in one."""

    def __init__(self, http: HttpThread, **oauth: object) -> None:
        self.gate = Gate()
        self.token_url = TokenUrl(self.gate)
        self._http = http
        self._oauth = oauth or {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        self._more: dict[str, object] = {}

    def __enter__(self) -> Oauth:
        self._endpoint = loopback(self.gate)
        self._tokens = loopback(self.token_url)
        self.endpoint, self.tokens = self._endpoint.__enter__(), self._tokens.__enter__()
        self.desk = Desk(
            self._http,
            self.endpoint.url,
            token_url=self.tokens.url + "/token",
            auth={"oauth": self._oauth},
            **self._more,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.sender.stop(SECONDS_MAX)
        self._tokens.__exit__(None, None, None)
        self._endpoint.__exit__(None, None, None)

    def pass_seconds(self, seconds: float) -> None:
        """Moves the clock of the token's life."""
        credentials: Any = self.desk.sender._endpoint.credentials
        before = credentials._now
        credentials._now = lambda: before() + seconds


def test_client_secret(http: HttpThread) -> None:
    with Oauth(http) as world:
        assert statuses(world.desk.post(1), world.desk.post(2)) == [200, 200]
        assert world.gate.seen == ["token-1", "token-1"]
        (form,), (headers,) = world.token_url.forms, world.token_url.headers
        assert form == {
            "grant_type": ["client_credentials"],
            "sub": ["app:abcdefghijklmnopqrstuv"],
            "scope": ["evt"],
        }
        assert headers["authorization"] == "Basic " + b64encode(b"client%2Bid:s%2Fe%3Ac%25ret").decode()
        assert headers["accept"] == "application/json"
        assert headers["content-type"] == "application/x-www-form-urlencoded"


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, lock: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption())


def test_signed_assertion(http: HttpThread, tmp_path: Path) -> None:
    keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(2)]
    path = tmp_path / "key.pem"
    path.write_bytes(pem(keys[0]))
    with Oauth(http, client_id=CLIENT_ID, private_key_file=str(path), scope="evt chn") as world:
        assert statuses(world.desk.post(1)) == [200]
        path.write_bytes(pem(keys[1]))
        world.gate.valid.clear()
        assert statuses(world.desk.post(2)) == [200]
        nonces = set()
        for form, headers, key in zip(world.token_url.forms, world.token_url.headers, keys, strict=True):
            assert "authorization" not in headers
            assert set(form) == {"grant_type", "assertion"}
            assert form["grant_type"] == ["client_credentials"]
            (assertion,) = form["assertion"]
            assert jwt.get_unverified_header(assertion) == {"alg": "ES384", "kid": CLIENT_ID, "typ": "JWT"}
            claims = jwt.decode(assertion, key.public_key(), algorithms=["ES384"], audience=world.tokens.url + "/token")
            assert claims["iss"] == CLIENT_ID
            assert claims["sub"] == "app:abcdefghijklmnopqrstuv"
            assert claims["scope"] == "evt chn"
            assert abs(claims["iat"] - time.time()) < 60
            assert 0 < claims["exp"] - claims["iat"] <= 600
            nonces.add(claims["nonce"])
        assert len(nonces) == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read"),
        (b"", "no unencrypted private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no unencrypted private key"),
        (pem(ec.generate_private_key(ec.SECP384R1()), BestAvailableEncryption(b"x")), "no unencrypted private key"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "another kind"),
        (pem(rsa.generate_private_key(65537, 2048)), "another kind"),
    ],
    ids=["missing", "empty", "broken", "locked", "P-256", "RSA"],
)
def test_a_private_key_that_cannot_be_used(http: HttpThread, tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with Oauth(http, client_id=CLIENT_ID, private_key_file=str(path)) as world:
        refused = world.desk.post(1)
        assert isinstance(refused, CredentialsRefused)
        assert text in refused.detail
        assert str(path) in refused.detail
        path.write_bytes(pem(ec.generate_private_key(ec.SECP384R1())))
        assert statuses(world.desk.post(2)) == [200]


@pytest.mark.parametrize("oauth", [{}, {"client_secret": "x", "private_key_file": "y"}])
def test_exactly_one_way_to_prove_it(oauth: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="exactly one of client_secret and private_key_file"):
        Desk(HttpThread(), "http://127.0.0.1:1", auth={"oauth": {"client_id": "c", **oauth}})


def test_one_token_request_for_all_who_wait(http: HttpThread) -> None:
    with Oauth(http) as world:
        world.token_url.wait = threading.Event()
        for number in range(REQUESTS_MAX):
            world.desk.sender.send(number, b"[]")
        while not world.token_url.forms:
            time.sleep(0.001)
        world.token_url.wait.set()
        answers = [world.desk.answers.get(timeout=SECONDS_MAX).answer for _ in range(REQUESTS_MAX)]
        assert statuses(*answers) == [200] * REQUESTS_MAX
        assert len(world.token_url.forms) == 1


def test_a_token_is_refreshed_ahead_while_requests_go_on(http: HttpThread) -> None:
    with Oauth(http) as world:
        world.desk.post(1)
        world.pass_seconds(0.79 * 3600)
        world.desk.post(2)
        assert len(world.token_url.forms) == 1
        world.token_url.wait = threading.Event()  # the refresh does not end
        world.pass_seconds(0.02 * 3600)
        assert statuses(*[world.desk.post(number) for number in range(3, 8)]) == [200] * 5
        assert set(world.gate.seen) == {"token-1"}
        world.token_url.wait.set()
        number, end = 8, time.monotonic() + SECONDS_MAX
        while world.gate.seen[-1] != "token-2":
            assert time.monotonic() < end
            world.desk.post(number)
            number += 1
        assert len(world.token_url.forms) == 2


def test_a_failed_refresh_ahead_keeps_the_token_to_its_end(http: HttpThread) -> None:
    with Oauth(http) as world:
        world.desk.post(1)
        world.token_url.answer = (503, b"")
        world.pass_seconds(0.9 * 3600)
        assert statuses(*[world.desk.post(number) for number in range(2, 12)]) == [200] * 10
        assert set(world.gate.seen) == {"token-1"}
        assert len(world.token_url.forms) == 2  # tried again after a pause, not with each request
        world.pass_seconds(0.1 * 3600)
        fault = world.desk.post(12)
        assert isinstance(fault, TransportFault)
        assert fault.kind == "credentials_unavailable"
        assert len(world.gate.seen) == 11  # an expired token is not sent
        world.token_url.answer = None
        assert statuses(world.desk.post(13)) == [200]


def test_a_401_fetches_one_token_for_all(http: HttpThread) -> None:
    with Oauth(http) as world:
        world.desk.post(1)
        world.gate.valid.clear()
        for number in range(2, 2 + REQUESTS_MAX):
            world.desk.sender.send(number, b"[]")
        answers = [world.desk.answers.get(timeout=SECONDS_MAX).answer for _ in range(REQUESTS_MAX)]
        assert statuses(*answers) == [200] * REQUESTS_MAX
        assert world.token_url.issued == 2
        assert {answer.sent_tokens for answer in answers if isinstance(answer, HttpAnswer)} <= {1, 2}


def test_an_oauth_401_that_stays_is_handed_out_after_one_refresh(http: HttpThread) -> None:
    with Oauth(http) as world:
        world.desk.post(1)

        class NobodyIn(set[str]):
            def __contains__(self, _: object) -> bool:
                return False

        world.gate.valid = NobodyIn()
        answer = world.desk.post(2)
        assert isinstance(answer, HttpAnswer)
        assert (answer.status, answer.sent_tokens) == (401, 2)
        assert world.gate.seen == ["token-1", "token-1", "token-2"]


def test_a_403_is_handed_out_without_a_refresh(http: HttpThread) -> None:
    with Oauth(http) as world:
        world.desk.post(1)
        world.gate.valid.clear()
        world.gate.status = 403
        answer = world.desk.post(2)
        assert isinstance(answer, HttpAnswer)
        assert (answer.status, answer.sent_tokens) == (403, 1)
        assert world.token_url.issued == 1


@pytest.mark.parametrize("status", [400, 401, 406])
def test_refused_credentials_are_final_for_the_request_and_heal(http: HttpThread, status: int) -> None:
    with Oauth(http) as world:
        world.token_url.answer = (status, b'{"error": "invalid_client", "error_description": "client+id is unknown"}')
        refused = world.desk.post(1)
        assert isinstance(refused, CredentialsRefused)
        assert f"status {status} (invalid_client)" in refused.detail
        assert CLIENT_ID not in refused.detail
        assert not world.gate.seen
        world.token_url.answer = None
        assert statuses(world.desk.post(2)) == [200]


@pytest.mark.parametrize(
    "answer",
    [
        (403, b""),
        (404, b""),
        (302, b""),
        (429, b""),
        (500, b"<html>"),
        (503, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b"[" * 60_000),
        (200, b'{"access_token": 5}'),
        (200, b'{"access_token": ""}'),
        (200, b'{"access_token": "a\\r\\nX: y"}'),
        (200, b'{"access_token": "abc", "token_type": "mac"}'),
    ],
)
def test_a_token_url_in_trouble_is_tried_again(http: HttpThread, answer: tuple[int, bytes]) -> None:
    with Oauth(http) as world:
        world.token_url.answer = answer
        fault = world.desk.post(1)
        assert isinstance(fault, TransportFault)
        assert (fault.kind, fault.may_have_arrived) == ("credentials_unavailable", False)
        assert not world.gate.seen
        world.token_url.answer = None
        assert statuses(world.desk.post(2)) == [200]


def test_no_token_before_the_requests_deadline(http: HttpThread) -> None:
    world = Oauth(http)
    world._more = {"request_timeout_ms": 200}
    with world:
        world.token_url.wait = threading.Event()
        fault = world.desk.post()
        world.token_url.wait.set()
        assert isinstance(fault, TransportFault)
        assert (fault.kind, fault.may_have_arrived) == ("credentials_unavailable", False)
        assert not world.gate.seen


def test_stop_while_waiting_for_a_token(http: HttpThread) -> None:
    with Oauth(http) as world:
        world.token_url.wait = threading.Event()
        world.desk.sender.send(1, b"[]")
        while not world.token_url.forms:
            time.sleep(0.001)
        world.desk.sender.stop(0)
        fault = world.desk.answers.get_nowait().answer
        world.token_url.wait.set()
        assert isinstance(fault, TransportFault)
        assert fault.kind == "cancelled"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"60", 60.0),
        (b'"60"', 60.0),
        (b"0", 1.0),
        (b"-5", 1.0),
        (b"1e300", 86_400.0),
        (b"1e999", 86_400.0),
        (b"NaN", 3600.0),
        (b"null", 3600.0),
        (b"true", 3600.0),
        (b'"soon"', 3600.0),
        (b"[]", 3600.0),
        (b"1" + b"0" * 400, 3600.0),
    ],
)
def test_the_life_of_a_token(said: bytes, seconds: float) -> None:
    issued = read_token_answer(HttpAnswer(200, b'{"access_token": "abc", "expires_in": %b}' % said))
    assert isinstance(issued, Issued)
    assert issued.life_seconds == seconds


def test_nothing_secret_in_texts(http: HttpThread, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with Oauth(http) as world:
        world.desk.post(1)
        world.token_url.answer = (400, b'{"error": "' + CLIENT_SECRET.encode() + b'"}')
        world.gate.valid.clear()
        refused = world.desk.post(2)
        credentials = world.desk.sender._endpoint.credentials
        texts = [caplog.text, repr(refused), repr(credentials.ready()), repr(vars(credentials))]
    assert caplog.text
    for text in texts:
        assert "token-1" not in text
        assert CLIENT_SECRET not in text


# The probe of `check`


def test_probe() -> None:
    def script(exchange: Exchange) -> None:
        exchange.reply(400, b'{"ok": false, "error": "empty"}', {"Date": "Tue, 05 May 2026 10:00:00 GMT"})

    with loopback(script) as server:
        probed = probe(airship_settings(server.url))
        assert [request.body for request in server.requests] == [b"[]"]
    assert probed.url == server.url + "/api/custom-events"
    assert isinstance(probed.answer, HttpAnswer)
    assert (probed.answer.status, probed.answer.date) == (400, "Tue, 05 May 2026 10:00:00 GMT")
    assert 0 < probed.seconds < SECONDS_MAX


def test_probe_ends_in_time() -> None:
    ended = threading.Event()
    with loopback(lambda _: bool(ended.wait(SECONDS_MAX)) and None) as server:
        probed = probe(airship_settings(server.url), 0.2)
        ended.set()
    assert isinstance(probed.answer, TransportFault)
    assert probed.answer.kind == "timeout"
