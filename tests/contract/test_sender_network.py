"""The network between: TLS and its authorities, proxies by setting and by environment."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import warnings
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.airship.sender import Sender
from connector.airship.tls import client_context
from connector.core.records import HttpAnswer, TransportFault
from connector.errors import SettingsError
from connector.http_thread import HttpThread
from tests.contract.loopback import SECONDS_MAX, Authority, Desk, Exchange, Loopback, Script, airship_settings, loopback


@pytest.fixture
def http() -> Iterator[HttpThread]:
    thread = HttpThread()
    thread.start()
    yield thread
    assert thread.stop(SECONDS_MAX)
    thread.raise_if_failed()


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "own authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "strange authority")


def answer_ok(exchange: Exchange) -> None:
    exchange.reply()


# TLS


def test_an_own_authority(http: HttpThread, authority: Authority) -> None:
    context = authority.server_context(names=["127.0.0.1"])
    with loopback(answer_ok, context) as server, Desk(http, server.url, ca_file=str(authority.file)) as desk:
        for number in range(3):
            assert isinstance(desk.post(number, b"x" * 300_000), HttpAnswer)
        assert server.connections == 1
        assert {len(request.body) for request in server.requests} == {300_000}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls(http: HttpThread, authority: Authority, version: ssl.TLSVersion) -> None:
    context = authority.server_context(names=["127.0.0.1"])
    context.minimum_version = context.maximum_version = version
    with loopback(answer_ok, context) as server, Desk(http, server.url, ca_file=str(authority.file)) as desk:
        assert isinstance(desk.post(), HttpAnswer)


def test_an_old_version_of_tls_is_refused(http: HttpThread, authority: Authority) -> None:
    context = authority.server_context(names=["127.0.0.1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with loopback(answer_ok, context) as server, Desk(http, server.url, ca_file=str(authority.file)) as desk:
        fault = desk.post()
    assert isinstance(fault, TransportFault)
    assert (fault.kind, fault.may_have_arrived) == ("tls", False)
    assert not server.requests
    own = client_context(None)  # whatever the machine's OpenSSL would allow
    assert own.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("known", ["nobody", "another authority", "another name"])
def test_an_unverified_endpoint_gets_nothing(
    http: HttpThread, authority: Authority, stranger: Authority, known: str
) -> None:
    names = ["endpoint.example"] if known == "another name" else ["127.0.0.1"]
    bundle = {"nobody": None, "another authority": stranger.file, "another name": authority.file}[known]
    ca_file = None if bundle is None else str(bundle)
    with (
        loopback(answer_ok, authority.server_context(names=names)) as server,
        Desk(http, server.url, ca_file=ca_file) as desk,
    ):
        fault = desk.post()
    assert isinstance(fault, TransportFault)
    assert (fault.kind, fault.may_have_arrived) == ("tls", False)
    assert "CERTIFICATE_VERIFY_FAILED" in fault.detail
    assert not server.requests


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_bundle_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(SettingsError, match=r"airship\.ca_file: .*ca\.pem"):
        Desk(HttpThread(), "https://127.0.0.1:1", ca_file=str(bundle))


def test_disconnects_inside_tls(http: HttpThread, authority: Authority) -> None:
    def script(exchange: Exchange) -> None:
        if exchange.number == 0:
            exchange.reply()
        else:
            exchange.reset()

    context = authority.server_context(names=["127.0.0.1"])
    with loopback(script, context) as server, Desk(http, server.url, ca_file=str(authority.file)) as desk:
        assert isinstance(desk.post(1), HttpAnswer)
        fault = desk.post(2)
        assert isinstance(fault, TransportFault)
        assert (fault.kind, fault.may_have_arrived) == ("disconnected", True)
        assert len(server.requests) == 2


# Proxies


def tunnel(target: Loopback) -> Script:
    """A proxy that connects every tunnel to the target, and answers everything else itself."""

    def script(exchange: Exchange) -> None:
        if exchange.request.method != "CONNECT":
            exchange.reply(200, b"by the proxy")
            return
        with socket.create_connection(("127.0.0.1", target.port), SECONDS_MAX) as onward:
            exchange.send(b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n")
            back = threading.Thread(target=_copy, args=(onward, exchange.sock), daemon=True)
            back.start()
            _copy(exchange.sock, onward)
            back.join(SECONDS_MAX)
        exchange.close()

    return script


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.parametrize("by", ["setting", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_tls_goes_through_a_tunnel(
    http: HttpThread, authority: Authority, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        loopback(answer_ok, authority.server_context(names=["127.0.0.1"])) as server,
        loopback(tunnel(server)) as proxy,
    ):
        address = f"http://us%40er:pa%3Ass@127.0.0.1:{proxy.port}"
        if by != "setting":
            monkeypatch.setenv(by, address)
        with Desk(http, server.url, ca_file=str(authority.file), proxy=address if by == "setting" else None) as desk:
            for number in range(3):
                assert isinstance(desk.post(number, b"x" * 300_000), HttpAnswer)
        (asked,) = proxy.requests
        assert (asked.method, asked.target) == ("CONNECT", f"127.0.0.1:{server.port}")
        assert asked.headers == {
            "host": f"127.0.0.1:{server.port}",
            "proxy-authorization": "Basic " + b64encode(b"us@er:pa:ss").decode(),
        }
        assert "proxy-authorization" not in server.requests[0].headers
        assert server.requests[0].target == "/api/custom-events"


@pytest.mark.parametrize("by", ["setting", "HTTP_PROXY"])
def test_without_tls_the_proxy_gets_the_whole_address(
    http: HttpThread, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loopback(lambda exchange: exchange.reply(200, b"by the proxy")) as proxy:
        address = f"http://user:pass@127.0.0.1:{proxy.port}"
        if by != "setting":
            monkeypatch.setenv(by.lower(), address)
        with Desk(http, "http://endpoint.example/base", proxy=address if by == "setting" else None) as desk:
            assert desk.post() == HttpAnswer(200, b"by the proxy")
        (asked,) = proxy.requests
        assert asked.target == "http://endpoint.example/base/api/custom-events"
        assert asked.headers["host"] == "endpoint.example"
        assert asked.headers["proxy-authorization"] == "Basic " + b64encode(b"user:pass").decode()


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "other.example,127.0.0.1"])
def test_no_proxy_is_honoured(http: HttpThread, exempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", exempt)
    with loopback(answer_ok) as server, Desk(http, server.url) as desk:
        assert isinstance(desk.post(), HttpAnswer)


def test_a_proxy_that_refuses(http: HttpThread, authority: Authority) -> None:
    with loopback(lambda exchange: exchange.reply(407, b"who are you")) as proxy:
        address = f"http://user:secret@127.0.0.1:{proxy.port}"
        with Desk(http, "https://endpoint.example", ca_file=str(authority.file), proxy=address) as desk:
            fault = desk.post()
    assert isinstance(fault, TransportFault)
    assert (fault.kind, fault.may_have_arrived) == ("connect", False)
    assert "407" in fault.detail
    assert "secret" not in fault.detail


@pytest.mark.parametrize("what", ["hangs", "closes", "speaks no HTTP", "is not there"])
def test_a_proxy_that_fails(http: HttpThread, authority: Authority, what: str) -> None:
    ended = threading.Event()

    def script(exchange: Exchange) -> None:
        if what == "hangs":
            ended.wait(SECONDS_MAX)
        elif what == "speaks no HTTP":
            exchange.send(b"\x05\x00\x00 what?\r\n\r\n")
        exchange.close()

    with loopback(script) as proxy:
        port = proxy.port if what != "is not there" else 1
        with Desk(
            http,
            "https://endpoint.example",
            ca_file=str(authority.file),
            proxy=f"http://127.0.0.1:{port}",
            connect_timeout_ms=200,
        ) as desk:
            fault = desk.post()
        ended.set()
    assert isinstance(fault, TransportFault)
    assert (fault.kind, fault.may_have_arrived) == ("connect", False)


def test_the_certificate_is_verified_behind_a_proxy(http: HttpThread, authority: Authority) -> None:
    with (
        loopback(answer_ok, authority.server_context(names=["127.0.0.1"])) as server,
        loopback(tunnel(server)) as proxy,
        Desk(
            http, "https://endpoint.example", ca_file=str(authority.file), proxy=f"http://127.0.0.1:{proxy.port}"
        ) as desk,
    ):
        fault = desk.post()
        assert proxy.requests[0].target == "endpoint.example:443"
        assert not server.requests
    assert isinstance(fault, TransportFault)
    assert (fault.kind, fault.may_have_arrived) == ("tls", False)


def test_http_in_clear_to_another_machine_is_said(http: HttpThread, caplog: pytest.LogCaptureFixture) -> None:
    for url in ("http://127.0.0.1:1", "http://localhost:1", "https://endpoint.example", "http://[::1]:1"):
        Sender(airship_settings(url), 1, http, queue.SimpleQueue()).start()
    assert not caplog.text
    Sender(airship_settings("http://endpoint.example"), 1, http, queue.SimpleQueue()).start()
    assert "in clear" in caplog.text
