"""The cheapest endpoint in Python: reads a request by its Content-Length, forgets it, answers 200. Keeps connections.

With `--record FILE` it does not forget: for each answer that it gives, FILE gets a line with the time of the answer
(`time.monotonic_ns`, one clock for all processes of a machine) and the numbers of the dataset's events in the request.

    python -m bench.yardsticks.stand_in --port P [--delay-ms N] [--record FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from bench.yardsticks.cheapest_endpoint import ANSWER

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
_LENGTH_REQUIRED = b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_HEAD_BYTES_MAX = 64 * 1024
_NUMBER = re.compile(rb'"transaction": ?"(\d{12})"')


class Connection(asyncio.Protocol):
    """Owns what of a request has arrived: the head until it is whole, then only how much of the body is missing, and
    the body itself only when it is to be recorded."""

    def __init__(self, delay_seconds: float, record: TextIO | None) -> None:
        self._delay_seconds = delay_seconds
        self._record = record
        self._body = bytearray()
        self._head = b""
        self._body_missing = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        while data:
            if self._body_missing:
                taken = min(self._body_missing, len(data))
                self._body_missing -= taken
                if self._record is not None:
                    self._body += data[:taken]
                data = data[taken:]
                if not self._body_missing:
                    self._answer()
            else:
                data = self._read_head(data)

    def _read_head(self, data: bytes) -> bytes:
        """What follows the head, once it is whole."""
        self._head += data
        head, end, rest = self._head.partition(_HEAD_END)
        if not end:
            if len(self._head) > _HEAD_BYTES_MAX:
                self._transport.abort()
            return b""
        self._head = b""
        length = _CONTENT_LENGTH.search(head + b"\r\n")
        if length is None and not head.startswith((b"GET ", b"HEAD ")):
            self._transport.write(_LENGTH_REQUIRED)
            self._transport.close()
            return b""
        self._body_missing = int(length[1]) if length else 0
        if not self._body_missing:
            self._answer()
        return rest

    def _answer(self) -> None:
        body = bytes(self._body)
        self._body.clear()
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._write_answer, body)
        else:
            self._write_answer(body)

    def _write_answer(self, body: bytes) -> None:
        self._transport.write(_OK)
        if self._record is not None:
            numbers = b" ".join(_NUMBER.findall(body)).decode()
            self._record.write(f"{time.monotonic_ns()} {numbers}\n")
            self._record.flush()


async def serve(port: int, delay_seconds: float, record: TextIO | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(delay_seconds, record), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.yardsticks.stand_in")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-ms", type=int, default=0)
    parser.add_argument("--record", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with ExitStack() as cleanup:
        record = cleanup.enter_context(arguments.record.open("w")) if arguments.record else None
        asyncio.run(serve(arguments.port, arguments.delay_ms / 1000, record))


if __name__ == "__main__":
    main()
