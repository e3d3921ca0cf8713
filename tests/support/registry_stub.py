"""A stand-in of a schema registry's protocol, for what a real one cannot be made to do: hang, fail, refuse, lie.

It runs in this process on a free port. `schemas` and `versions` are what it knows; `fault` makes every answer the same.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Fault:
    status: int = 200
    body: bytes = b""
    hang: bool = False
    """No answer before the stub ends."""


@dataclass
class RegistryStub:
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What `GET /schemas/ids/<name>` and `/schemas/guids/<name>` answer, by name."""
    versions: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    fault: Fault | None = None
    authorization: str | None = None
    """The only value of that header that is let in."""
    tokens: list[str] = field(default_factory=list)
    """What the token endpoint `/token` hands out, one after the other; the last one stays."""
    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    token_requests: list[dict[str, list[str]]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        self.requests.append((path, headers))
        if self.fault is not None:
            if self.fault.hang:
                self.ended.wait(60)
            return self.fault.status, self.fault.body
        if self.authorization is not None and headers.get("authorization") != self.authorization:
            return 401, _json({"error_code": 401, "message": "Unauthorized"})
        match path.strip("/").split("/"):
            case ["schemas", "ids" | "guids", name]:
                found = self.schemas.get(name)
                return (
                    (200, _json(found)) if found else (404, _json({"error_code": 40403, "message": "Schema not found"}))
                )
            case ["subjects", subject, "versions", version]:
                found = self.versions.get((subject, int(version)))
                return (
                    (200, _json(found))
                    if found
                    else (404, _json({"error_code": 40401, "message": "Subject not found"}))
                )
            case _:
                return 404, _json({"error_code": 404, "message": "HTTP 404 Not Found"})

    def token(self, form: str) -> tuple[int, bytes]:
        self.token_requests.append(parse_qs(form))
        if not self.tokens:
            return 401, _json({"error": "invalid_client"})
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return 200, _json({"access_token": token, "token_type": "Bearer", "expires_in": 3600})


@contextmanager
def registry_stub(tls: ssl.SSLContext | None = None, **known: Any) -> Iterator[RegistryStub]:
    stub = RegistryStub(**known)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*stub.answer(self.path.partition("?")[0], {k.lower(): v for k, v in self.headers.items()}))

        def do_POST(self) -> None:
            self._send(*stub.token(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def _send(self, status: int, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client gave up waiting, as it should

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a handshake that was refused is what the test is about

    server = Server(("127.0.0.1", 0), Answers)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
