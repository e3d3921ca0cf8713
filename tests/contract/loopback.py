"""A scripted endpoint on loopback: plain sockets in threads, so that a test can do to a connection whatever it needs.

A script is called once for each request with an `Exchange`, on the connection's own thread. It answers, or not. Every
wait has a deadline; what a script raises is raised by the `with` block's end.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from connector.airship.sender import Answered, Sender
from connector.core.records import Answer
from connector.http_thread import HttpThread
from connector.settings import AirshipSettings

SECONDS_MAX = 10.0
REQUESTS_MAX = 16
OK_BODY = b'{"ok": true, "operation_id": "df6a6b50-9843-7894-1235-12aed4489489"}'


class Request(NamedTuple):
    connection: int
    """Which accepted connection it came by, from 0."""
    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Exchange:
    sock: socket.socket
    request: Request
    number: int
    """Which request of the server's life it is, from 0."""
    open: bool = True

    def reply(self, status: int = 200, body: bytes = OK_BODY, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} Something", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def send(self, sent: bytes) -> None:
        self.sock.sendall(sent)

    def close(self) -> None:
        """In order: FIN (TLS: and a goodbye)."""
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                self.sock.setblocking(False)
                self.sock.unwrap()
        self.sock.close()
        self.open = False

    def reset(self) -> None:
        """RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        self.open = False


Script = Callable[[Exchange], None]


@dataclass
class Loopback:
    script: Script
    listener: socket.socket
    port: int
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    faults: list[BaseException] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self.connections += 1
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, connection: int) -> None:
        sock.settimeout(SECONDS_MAX)
        self.sockets.append(sock)
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self.sockets.append(sock)
            while (request := read_request(sock, connection)) is not None:
                self.requests.append(request)
                exchange = Exchange(sock, request, len(self.requests) - 1)
                self.script(exchange)
                if not exchange.open:
                    return
        except OSError:
            pass  # the client went away, or the test ended
        except BaseException as fault:
            self.faults.append(fault)
            raise
        finally:
            sock.close()


def read_request(sock: socket.socket, connection: int) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = sock.recv(65536)
        if not chunk:
            return None
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers, f"{name} twice"
        headers[name.lower()] = value
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        chunk = sock.recv(65536)
        if not chunk:
            return None
        body += chunk
    method, target, _ = first.split(" ")
    return Request(connection, method, target, headers, body)


@contextlib.contextmanager
def loopback(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Loopback(script, listener, listener.getsockname()[1], tls)
    accepting = threading.Thread(target=server.accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in server.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        accepting.join(SECONDS_MAX)
        for thread in server.threads:
            thread.join(SECONDS_MAX)
        for sock in server.sockets:
            sock.close()
    assert not server.faults, server.faults


def airship_settings(url: str, **changed: object) -> AirshipSettings:
    fields: dict[str, object] = {
        "base_url": url,
        "app_key": "abcdefghijklmnopqrstuv",
        "auth": {"bearer_token": "secret-token-1"},
        "connect_timeout_ms": 5_000,
        "request_timeout_ms": 9_000,
    }
    return AirshipSettings.model_validate(fields | changed)


class Desk:
    """A started sender and its queue."""

    def __init__(self, http: HttpThread, url: str, **changed: object) -> None:
        self.answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        self.sender = Sender(airship_settings(url, **changed), REQUESTS_MAX, http, self.answers)
        self.sender.start()

    def post(self, request_id: int = 1, body: bytes = b"[{}]", **more: object) -> Answer:
        self.sender.send(request_id, body, **more)  # type: ignore[arg-type]
        answered = self.answers.get(timeout=SECONDS_MAX)
        assert answered.request_id == request_id
        assert 0 <= answered.seconds < SECONDS_MAX
        return answered.answer

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *_: object) -> None:
        self.sender.stop(SECONDS_MAX)
        assert self.sender.in_flight == 0


SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """A certificate authority of a test, and certificates that it signs."""

    def __init__(self, directory: Path, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._directory = directory
        self._prefix = name.replace(" ", "-")
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(SIGNS_CERTIFICATES, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = directory / f"{self._prefix}-ca.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def server_context(self, *, names: list[str]) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "endpoint")]), key.public_key())
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._directory / f"{self._prefix}-endpoint.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        return context

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
        )
