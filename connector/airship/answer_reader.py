"""The bytes of a connection -> answers, with a limit on everything that the endpoint can make large.

Pure: bytes in, an answer or the reason why there is none out. The grammar is llhttp's (`httptools`), strict: what it
refuses is a fault, because a guess about where an answer ends could give the next request this one's answer.
"""

from __future__ import annotations

import zlib
from typing import Literal

import httptools

from connector.core.records import HttpAnswer

BODY_BYTES_MAX = 64 * 1024
"""Of the body, also after decompression. What is beyond it is cut off."""
HEAD_BYTES_MAX = 64 * 1024
"""Of status line and headers, interim answers included."""
RECEIVED_BYTES_MAX = 1024 * 1024
"""Of everything received for one answer: chunk extensions and trailers carry no content, but arrive all the same."""
HEADER_LENGTH_MAX = 512
"""Of a header's value that is kept."""

KEPT = (b"retry-after", b"date", b"www-authenticate", b"content-encoding", b"keep-alive")

Progress = Literal["reading", "complete", "broken"]


class AnswerReader:
    """Reads the answers of one connection, one after the other: `expect` before each request, then `feed`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.reusable = True
        """Whether another request may follow on the connection."""
        self.expect()

    def expect(self, *, head_only: bool = False) -> None:
        """`head_only` for CONNECT, whose 200 has no body whatever its headers say."""
        self.progress: Progress = "reading"
        self.fault = ""
        self.begun = False
        """Whether a byte of the answer has arrived."""
        self._head_only = head_only
        self._received = 0
        self._new_head()

    def feed(self, received: memoryview) -> Progress:
        if self.progress != "reading":
            self.reusable = False  # nobody asked: bytes after the answer, or on an idle connection
            return self.progress
        self.begun = True
        self._received += len(received)
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade:
            self._break("found an answer that switches protocols, expected an HTTP answer")
        except httptools.HttpParserError as error:
            self._break(f"found what is no HTTP answer: {type(error).__name__}: {error}")
        self._check_limits()
        return self.progress

    def end(self) -> Progress:
        """The connection was closed in order. That is the end of a body without a stated length."""
        self.reusable = False
        if self.progress == "reading" and self._head_complete and self._until_end:
            self.progress = "complete"
        return self.progress

    def answer(self) -> HttpAnswer:
        assert self.progress == "complete"
        return HttpAnswer(
            status=self._status,
            body=_decoded(bytes(self._body), self._kept.get(b"content-encoding")),
            retry_after=self._text(b"retry-after"),
            date=self._text(b"date"),
            www_authenticate=self._text(b"www-authenticate"),
        )

    def idle_seconds_offered(self) -> float | None:
        """How long the endpoint says it keeps the connection, if it says so (`Keep-Alive: timeout=5`)."""
        for part in self._kept.get(b"keep-alive", b"").split(b","):
            name, _, value = part.strip().partition(b"=")
            if name.lower() == b"timeout" and value.isdigit():
                return float(value)
        return None

    # Called by the parser. An exception in one would be wrapped by it, so they set state instead.

    def on_message_begin(self) -> None:
        if self.progress != "reading":
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.progress != "reading":
            return
        lowered = name.lower()
        if lowered in {b"content-length", b"transfer-encoding"}:
            self._until_end = False
        elif lowered in KEPT and not self._head_complete:  # a trailer is not a header
            self._kept.setdefault(lowered, value[:HEADER_LENGTH_MAX])

    def on_headers_complete(self) -> None:
        if self.progress != "reading":
            return
        self._status = self._parser.get_status_code()
        self._head_complete = not 100 <= self._status < 200
        if self._head_complete and self._head_only:
            self._complete()

    def on_body(self, body: bytes) -> None:
        if self.progress != "reading":
            return
        room = BODY_BYTES_MAX - len(self._body)
        self._body += body[:room]  # one buffer: a body may come in chunks of one byte
        if len(body) > room:
            self.reusable = False  # the rest of the body is not read
            self.progress = "complete"

    def on_message_complete(self) -> None:
        if self.progress != "reading":
            return
        if self._head_complete:
            self._complete()
        else:
            self._new_head()

    def _complete(self) -> None:
        self.progress = "complete"
        if not self._parser.should_keep_alive():
            self.reusable = False

    def _check_limits(self) -> None:
        if self.progress != "reading":
            return
        if not self._head_complete and self._received > HEAD_BYTES_MAX:
            self._break(f"found a head of more than {HEAD_BYTES_MAX} bytes")
        elif self._received > RECEIVED_BYTES_MAX:
            self._break(f"found more than {RECEIVED_BYTES_MAX} bytes without an end")

    def _break(self, fault: str) -> None:
        self.reusable = False
        if self.progress == "reading":
            self.progress = "broken"
            self.fault = fault

    def _new_head(self) -> None:
        self._status = 0
        self._head_complete = False
        self._until_end = True
        self._kept: dict[bytes, bytes] = {}
        self._body = bytearray()

    def _text(self, name: bytes) -> str | None:
        value = self._kept.get(name)
        return None if value is None else value.decode("latin-1").strip()


def _decoded(body: bytes, encoding: bytes | None) -> bytes:
    """The body without gzip or deflate, cut at the limit: what would be beyond it is never unpacked.

    Nothing compressed was asked for. Another encoding is handed out as it is, and so is what cannot be unpacked: the
    status decides, and a body that nobody can read is for the classification to judge.
    """
    if encoding is None or encoding.strip().lower() not in {b"gzip", b"x-gzip", b"deflate"}:
        return body
    gzip_or_zlib = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
    try:
        return gzip_or_zlib.decompress(body, BODY_BYTES_MAX)
    except zlib.error:
        pass
    try:
        return zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(body, BODY_BYTES_MAX)
    except zlib.error:
        return body
