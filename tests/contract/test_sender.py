"""The sender against a real server on loopback: what it sends, how each end of a request is answered, how it stops."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterator

import pytest

from connector import __version__
from connector.airship.answer_reader import BODY_BYTES_MAX
from connector.core.records import Answer, HttpAnswer, TransportFault
from connector.http_thread import BLOCKING_THREADS_MAX, HttpThread
from tests.contract.loopback import OK_BODY, REQUESTS_MAX, SECONDS_MAX, Desk, Exchange, loopback


@pytest.fixture
def http() -> Iterator[HttpThread]:
    thread = HttpThread()
    thread.start()
    yield thread
    assert thread.stop(SECONDS_MAX)
    thread.raise_if_failed()


def answer_ok(exchange: Exchange) -> None:
    exchange.reply()


def test_what_is_sent(http: HttpThread) -> None:
    with loopback(answer_ok) as server, Desk(http, server.url + "/prefix/") as desk:
        answer = desk.post(body=b'[{"a": 1}]', headers={"traceparent": "00-ab-cd-01"})
    assert isinstance(answer, HttpAnswer)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/prefix/api/custom-events")
    assert request.body == b'[{"a": 1}]'
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"airship-connector/{__version__}",
        "accept-encoding": "identity",
        "accept": "application/vnd.urbanairship+json; version=3",
        "x-ua-appkey": "abcdefghijklmnopqrstuv",
        "content-type": "application/json",
        "authorization": "Bearer secret-token-1",
        "traceparent": "00-ab-cd-01",
        "content-length": "10",
    }


def test_an_answer_carries_what_the_classification_needs(http: HttpThread) -> None:
    def script(exchange: Exchange) -> None:
        exchange.reply(
            429,
            b"slow down",
            {"Retry-After": "7", "Date": "Tue, 05 May 2026 10:00:00 GMT", "WWW-Authenticate": 'Bearer realm="x"'},
        )

    with loopback(script) as server, Desk(http, server.url) as desk:
        answer = desk.post()
    assert answer == HttpAnswer(429, b"slow down", "7", "Tue, 05 May 2026 10:00:00 GMT", 'Bearer realm="x"')


def test_connections_are_kept_and_never_more_than_requests(http: HttpThread) -> None:
    together = threading.Barrier(REQUESTS_MAX)

    def script(exchange: Exchange) -> None:
        together.wait(SECONDS_MAX)
        exchange.reply()

    with loopback(script) as server, Desk(http, server.url) as desk:
        for round_number in range(3):
            for number in range(REQUESTS_MAX):
                desk.sender.send(round_number * REQUESTS_MAX + number, b"[]")
            for _ in range(REQUESTS_MAX):
                assert isinstance(desk.answers.get(timeout=SECONDS_MAX).answer, HttpAnswer)
        assert server.connections == REQUESTS_MAX


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_handed_out_and_not_followed(http: HttpThread, status: int) -> None:
    with loopback(lambda exchange: exchange.reply(status, b"", {"Location": "/elsewhere"})) as server:
        with Desk(http, server.url) as desk:
            answer = desk.post()
        assert isinstance(answer, HttpAnswer)
        assert answer.status == status
        assert [request.target for request in server.requests] == ["/api/custom-events"]


@pytest.mark.parametrize("idle_ms", [0, 60_000])
def test_idle_time_is_a_setting(http: HttpThread, idle_ms: int) -> None:
    with loopback(answer_ok) as server, Desk(http, server.url, idle_connection_ms=idle_ms) as desk:
        desk.post(1)
        desk.post(2)
        assert server.connections == (1 if idle_ms else 2)


def test_an_idle_connection_is_closed_by_us(http: HttpThread) -> None:
    closed = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.reply()
        if exchange.sock.recv(1) == b"":
            closed.set()
        exchange.close()

    with loopback(script) as server, Desk(http, server.url, idle_connection_ms=50) as desk:
        desk.post()
        assert closed.wait(SECONDS_MAX)


def test_the_endpoints_own_idle_time_is_respected(http: HttpThread) -> None:
    with (
        loopback(lambda exchange: exchange.reply(headers={"Keep-Alive": "timeout=1, max=9"})) as server,
        Desk(http, server.url, idle_connection_ms=60_000) as desk,
    ):
        desk.post(1)
        desk.post(2)
        assert server.connections == 2


def test_a_shorter_idle_time_among_longer_ones(http: HttpThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.airship.client.IDLE_MARGIN_SECONDS", 1.95)
    first_answered = threading.Event()

    def script(exchange: Exchange) -> None:
        if exchange.request.body == b"offers" and first_answered.wait(SECONDS_MAX):
            exchange.reply(headers={"Keep-Alive": "timeout=2"})  # 50 ms, less the margin
        else:
            exchange.reply()

    with loopback(script) as server, Desk(http, server.url, idle_connection_ms=60_000) as desk:
        desk.sender.send(1, b"offers")
        desk.post(2, b"longer")
        first_answered.set()
        assert desk.answers.get(timeout=SECONDS_MAX).request_id == 1
        threading.Event().wait(0.1)  # the offered time passes
        desk.post(3, b"next")
        by = {request.body: request.connection for request in server.requests}
        assert by[b"next"] == by[b"longer"] != by[b"offers"]


def test_a_connection_that_the_endpoint_closed_while_idle_costs_nothing(http: HttpThread) -> None:
    closed = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.reply()
        if exchange.number == 0:
            exchange.close()
            closed.set()

    with loopback(script) as server, Desk(http, server.url) as desk:
        desk.post(1)
        assert closed.wait(SECONDS_MAX)
        answer = desk.post(2)
        assert isinstance(answer, HttpAnswer)
        assert answer.resends == 0
        assert len(server.requests) == 2


def test_connection_close_is_obeyed(http: HttpThread) -> None:
    with (
        loopback(lambda exchange: exchange.reply(headers={"Connection": "close"})) as server,
        Desk(http, server.url) as desk,
    ):
        desk.post(1)
        desk.post(2)
        assert server.connections == 2


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}"])
def test_a_disconnect_is_a_fault_and_no_second_post(http: HttpThread, end: str, before: bytes) -> None:
    """Also on a connection that was used before: the request arrived, so that a second one could be a duplicate."""

    def script(exchange: Exchange) -> None:
        if exchange.number == 0:
            exchange.reply()
            return
        exchange.send(before)
        getattr(exchange, end)()

    with loopback(script) as server, Desk(http, server.url) as desk:
        desk.post(1)
        fault = desk.post(2)
        assert isinstance(fault, TransportFault)
        assert fault.kind == "disconnected"
        assert fault.may_have_arrived
        assert ("in the middle of the answer" in fault.detail) == bool(before) or end == "reset"
        assert len(server.requests) == 2


def test_nobody_listens(http: HttpThread) -> None:
    with loopback(answer_ok) as server:
        url = server.url
    with Desk(http, url) as desk:
        fault = desk.post()
    assert isinstance(fault, TransportFault)
    assert fault.kind == "connect"
    assert not fault.may_have_arrived
    assert "ConnectionRefusedError" in fault.detail


def test_no_such_host(http: HttpThread) -> None:
    with Desk(http, "http://no-such-host.invalid") as desk:
        fault = desk.post()
    assert isinstance(fault, TransportFault)
    assert fault.kind == "connect"
    assert not fault.may_have_arrived


def test_a_resolver_that_hangs_stops_nothing_else(http: HttpThread, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, let_go = threading.Event(), threading.Event()
    resolve = socket.getaddrinfo

    def hangs(host: str, *args: object, **more: object) -> object:
        if host != "slow.example":
            return resolve(host, *args, **more)  # type: ignore[arg-type]
        if more.get("flags") == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a numeric address")
        asked.set()
        let_go.wait(SECONDS_MAX)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    with (
        loopback(answer_ok) as server,
        Desk(http, server.url) as desk,
        Desk(http, "http://slow.example", connect_timeout_ms=300) as slow,
    ):
        for number in range(BLOCKING_THREADS_MAX):
            slow.sender.send(number, b"[]")
        assert asked.wait(SECONDS_MAX)
        assert isinstance(desk.post(), HttpAnswer)
        assert http.run_blocking(lambda: "at once").result(SECONDS_MAX / 2) == "at once"
        faults = [slow.answers.get(timeout=SECONDS_MAX).answer for _ in range(BLOCKING_THREADS_MAX)]
        let_go.set()
    for fault in faults:
        assert_no_connection(fault)


def assert_no_connection(fault: Answer) -> None:
    assert isinstance(fault, TransportFault)
    assert (fault.kind, fault.may_have_arrived) == ("connect", False)
    assert "in time" in fault.detail


def test_nobody_accepts_in_time(http: HttpThread) -> None:
    """TLS to a server that says nothing: the connection is made, its handshake never ends."""
    quiet = threading.Event()

    def script(_: Exchange) -> None:
        quiet.wait(SECONDS_MAX)

    with loopback(script) as server:
        with Desk(http, server.url.replace("http:", "https:"), connect_timeout_ms=100) as desk:
            fault = desk.post()
        quiet.set()
    assert isinstance(fault, TransportFault)
    assert fault.kind == "connect"
    assert "in time" in fault.detail
    assert not fault.may_have_arrived


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte now and then"])
def test_the_deadline_is_for_the_whole_request(http: HttpThread, drip: bool) -> None:
    """A server that sends something again and again resets a time-out of the read; this is not one."""
    ended = threading.Event()

    def script(exchange: Exchange) -> None:
        if drip:
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.01):
                exchange.send(b" ")
        else:
            ended.wait(SECONDS_MAX)

    with loopback(script) as server, Desk(http, server.url, request_timeout_ms=200) as desk:
        began = time.monotonic()
        fault = desk.post()
        assert time.monotonic() - began < 5
        ended.set()
    assert isinstance(fault, TransportFault)
    assert fault.kind == "timeout"
    assert fault.may_have_arrived
    assert ("unfinished" in fault.detail) == drip


def test_an_early_answer_to_a_large_body_is_read(http: HttpThread) -> None:
    """A 413 comes before the body was sent. It counts, and the rest of the body goes nowhere: above all not in front of
    the next request."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(SECONDS_MAX)
    accepted: list[socket.socket] = []

    def serve() -> None:
        for _ in range(2):
            sock, _ = listener.accept()
            accepted.append(sock)
            sock.settimeout(SECONDS_MAX)
            sock.recv(4096)
            sock.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with Desk(http, f"http://127.0.0.1:{listener.getsockname()[1]}") as desk:
        assert desk.post(1, b"x" * 20_000_000) == HttpAnswer(413, b"big")
        assert desk.post(2, b"[]") == HttpAnswer(413, b"big")
    thread.join(SECONDS_MAX)
    for sock in [*accepted, listener]:
        sock.close()


def test_a_large_body_arrives_whole(http: HttpThread) -> None:
    body = bytes(range(256)) * 20_000
    with loopback(answer_ok) as server, Desk(http, server.url) as desk:
        assert isinstance(desk.post(body=body), HttpAnswer)
        assert server.requests[0].body == body


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ({}, b"x" * 1_000_000, b"x" * BODY_BYTES_MAX),
        ({"Content-Encoding": "gzip"}, gzip.compress(OK_BODY), OK_BODY),
        ({"Content-Encoding": "GZIP"}, gzip.compress(b"\0" * 50_000_000), b"\0" * BODY_BYTES_MAX),
        ({"Content-Encoding": "deflate"}, zlib.compress(OK_BODY), OK_BODY),
        ({"Content-Encoding": "deflate"}, zlib.compress(OK_BODY, wbits=-15), OK_BODY),
        ({"Content-Encoding": "gzip"}, b"not gzip", b"not gzip"),
        ({"Content-Encoding": "br"}, b"\x0b\x02\x80{}\x03", b"\x0b\x02\x80{}\x03"),
    ],
    ids=["long", "gzip", "bomb", "zlib", "raw deflate", "no gzip", "unknown"],
)
def test_bodies_are_bounded_and_unpacked(http: HttpThread, head: dict[str, str], body: bytes, expected: bytes) -> None:
    with loopback(lambda exchange: exchange.reply(200, body, head)) as server, Desk(http, server.url) as desk:
        assert desk.post(1) == HttpAnswer(200, expected)
        assert desk.post(2) == HttpAnswer(200, expected)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 2_000_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnothex\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbytes",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0" * 1000,
    ],
)
def test_what_is_no_answer_is_a_fault_of_the_protocol(http: HttpThread, sent: bytes) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(sent)
        exchange.sock.recv(1)
        exchange.close()

    with loopback(script) as server, Desk(http, server.url, request_timeout_ms=5_000) as desk:
        fault = desk.post()
        assert isinstance(fault, TransportFault)
        assert fault.kind == "protocol"
        assert fault.may_have_arrived
        assert len(fault.detail) < 300


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", HttpAnswer(200, b"until the end")),
        (b"HTTP/1.0 200 OK\r\nDate: d\r\n\r\n", HttpAnswer(200, b"", date="d")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", HttpAnswer(204, b"")),
        (
            b"HTTP/1.1 100 Continue\r\nDate: x\r\n\r\nHTTP/1.1 202 A\r\nContent-Length: 1\r\n\r\n1",
            HttpAnswer(202, b"1"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nRetry-After: 9\r\n\r\n",
            HttpAnswer(200, b"abc"),
        ),
        (
            b"HTTP/1.1 503 No\r\nRetry-After: " + b"9" * 5_000 + b"\r\nContent-Length: 0\r\n\r\n",
            HttpAnswer(503, b"", retry_after="9" * 512),
        ),
        (b"HTTP/1.1 503 No\r\nRetry-After: \xff\xfe\r\nContent-Length: 0\r\n\r\n", HttpAnswer(503, b"", "\xff\xfe")),
    ],
)
def test_unusual_answers_are_read(http: HttpThread, sent: bytes, expected: HttpAnswer) -> None:
    def script(exchange: Exchange) -> None:
        for position in range(0, len(sent), 7):  # in pieces, wherever they break
            exchange.send(sent[position : position + 7])
        exchange.close()

    with loopback(script) as server, Desk(http, server.url) as desk:
        assert desk.post() == expected


def test_bytes_after_an_answer_are_never_the_next_answer(http: HttpThread) -> None:
    extra = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"

    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright" + extra)

    with loopback(script) as server, Desk(http, server.url) as desk:
        for number in range(5):
            assert desk.post(number) == HttpAnswer(200, b"right")
        assert server.connections == 5


def test_stop_waits_for_answers(http: HttpThread) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def script(exchange: Exchange) -> None:
        arrived.set()
        go_on.wait(SECONDS_MAX)
        exchange.reply()

    with loopback(script) as server, Desk(http, server.url) as desk:
        desk.sender.send(1, b"[]")
        assert arrived.wait(SECONDS_MAX)
        threading.Timer(0.1, go_on.set).start()
        desk.sender.stop(SECONDS_MAX)
        assert isinstance(desk.answers.get_nowait().answer, HttpAnswer)


def test_stop_cancels_what_has_no_answer_at_its_deadline(http: HttpThread) -> None:
    arrived, ended = threading.Semaphore(0), threading.Event()

    def script(exchange: Exchange) -> None:
        if exchange.request.body == b"[1]":
            exchange.reply()
            return
        arrived.release()
        ended.wait(SECONDS_MAX)

    with loopback(script) as server, Desk(http, server.url) as desk:
        for number in range(1, 6):
            desk.sender.send(number, b"[%d]" % number)
        for _ in range(4):
            assert arrived.acquire(timeout=SECONDS_MAX)
        began = time.monotonic()
        desk.sender.stop(0.6)
        assert time.monotonic() - began < 3
        answers = {}
        while not desk.answers.empty():
            answered = desk.answers.get_nowait()
            assert answered.request_id not in answers
            answers[answered.request_id] = answered.answer
        ended.set()
    assert isinstance(answers.pop(1), HttpAnswer)
    assert sorted(answers) == [2, 3, 4, 5]
    for fault in answers.values():
        assert isinstance(fault, TransportFault)
        assert fault.kind == "cancelled"
        assert fault.may_have_arrived


def test_stop_at_once_answers_even_what_was_not_begun(http: HttpThread) -> None:
    with loopback(lambda _: None) as server, Desk(http, server.url) as desk:
        for number in range(REQUESTS_MAX):
            desk.sender.send(number, b"[]")
        desk.sender.stop(0)
        assert sorted(desk.answers.get_nowait().request_id for _ in range(REQUESTS_MAX)) == list(range(REQUESTS_MAX))


def test_stop_answers_when_the_thread_hangs() -> None:
    hanging, let_go = threading.Event(), threading.Event()
    thread = HttpThread()
    thread.start()
    with loopback(answer_ok) as server:
        desk = Desk(thread, server.url)
        thread.post(lambda: (hanging.set(), let_go.wait(SECONDS_MAX)))
        assert hanging.wait(SECONDS_MAX)
        desk.sender.send(1, b"[]")
        desk.sender.stop(0.1)
        answer = desk.answers.get_nowait().answer
        let_go.set()
        assert isinstance(answer, TransportFault)
        assert answer.kind == "cancelled"
        assert thread.stop(SECONDS_MAX)
    assert desk.answers.empty()


def test_no_more_requests_than_agreed(http: HttpThread) -> None:
    with loopback(lambda _: None) as server, Desk(http, server.url) as desk:
        for number in range(REQUESTS_MAX):
            desk.sender.send(number, b"[]")
        with pytest.raises(AssertionError):
            desk.sender.send(99, b"[]")
        desk.sender.stop(0)


def test_the_token_and_the_app_key_are_in_no_text(http: HttpThread, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    def script(exchange: Exchange) -> None:
        exchange.reply(401, b"no")

    with loopback(script) as server, Desk(http, server.url) as desk:
        answer = desk.post(headers={"traceparent": "00-x"})
        texts = [caplog.text, repr(answer), repr(desk.sender), repr(vars(desk.sender)["_endpoint"].credentials)]
    assert "request 1, sent 0 times before: status 401" in caplog.text
    assert not [text for text in texts if "secret-token" in text or "abcdefghijklmnopqrstuv" in text]
