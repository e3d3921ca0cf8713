"""Where the bearer token comes from: a setting, a file, or OAuth2 (`oauth.py`).

All credentials answer the same three questions, in the loop:

- `ready()`: is there a token to use now? Cheap, asked for every request.
- `obtain()`: get one, waiting for it.
- `renew(refused)`: the endpoint answered 401 to this token; is there another one? The same one means no.

Instead of a token they may say why there is none: CredentialsRefused (somebody has to mend something) or
TransportFault("credentials_unavailable") (it may go by itself). A token is in no text, log or representation.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, cast

from connector.core.records import CredentialsRefused, TransportFault
from connector.errors import SettingsError
from connector.http_thread import HttpThread

T = TypeVar("T")

logger = logging.getLogger(__name__)

TOKEN_LENGTH_MAX = 16 * 1024
FILE_CHECK_SECONDS = 1.0
FILE_READ_SECONDS_MAX = 5.0


class Token:
    """A bearer token. Equal when the value is; shows nothing of it."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        """Raises ValueError, without the value in it, on what cannot stand in a header."""
        if not value or len(value) > TOKEN_LENGTH_MAX:
            raise ValueError(f"found {len(value)} characters, expected 1 to {TOKEN_LENGTH_MAX}")
        if not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("found a space, a line break or a character outside ASCII in the token")
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return "Token(***)"


NoToken: TypeAlias = TransportFault | CredentialsRefused


def unavailable(detail: str) -> TransportFault:
    return TransportFault("credentials_unavailable", detail, may_have_arrived=False)


class Credentials(Protocol):
    def ready(self) -> Token | None: ...
    async def obtain(self) -> Token | NoToken: ...
    async def renew(self, refused: Token) -> Token | NoToken: ...


class StaticToken:
    """A token from the settings. A 401 cannot be mended here: only another setting helps."""

    def __init__(self, value: str) -> None:
        try:
            self._token = Token(value.strip())
        except ValueError as error:
            raise SettingsError([f"airship.auth.bearer_token: {error}"]) from None

    def ready(self) -> Token:
        return self._token

    async def obtain(self) -> Token:
        return self._token

    async def renew(self, refused: Token) -> Token:  # noqa: ARG002  there is no other one
        return self._token


class ReadHangs(Exception):
    """A file was not read in time."""


class FileReads:
    """Reads files outside the loop, one at a time: a file system that hangs holds one thread, not all of them."""

    def __init__(self, http: HttpThread) -> None:
        self._http = http
        self._reading: asyncio.Future[object] | None = None

    async def read(self, function: Callable[[], T]) -> T:
        """Raises ReadHangs after FILE_READ_SECONDS_MAX; a read that hangs is waited for, not joined by another."""
        end = time.monotonic() + FILE_READ_SECONDS_MAX
        while self._reading is not None and not self._reading.done():
            await self._wait(self._reading, end)
        reading = asyncio.wrap_future(self._http.run_blocking(function))
        self._reading = cast("asyncio.Future[object]", reading)
        await self._wait(reading, end)
        return reading.result()

    async def _wait(self, reading: asyncio.Future[Any], end: float) -> None:
        done, _ = await asyncio.wait([reading], timeout=max(0.0, end - time.monotonic()))
        if not done:
            raise ReadHangs(f"could not be read within {FILE_READ_SECONDS_MAX:.0f} s")


FileIdentity: TypeAlias = tuple[int, int, int, int]
"""(device, inode, modification time in ns, size): another one means that the file was written or replaced."""


class TokenFile:
    """A token in a file that something else writes: a mounted secret, an agent.

    While the file can be read it wins. A file that becomes unreadable does not take a token away that still works: it
    stays in use until the endpoint refuses it.
    """

    def __init__(self, path: str, http: HttpThread) -> None:
        self._path = path
        self._http = http
        self._reads = FileReads(http)
        self._token: Token | None = None
        self._identity: FileIdentity | None = None
        self._complaint = ""
        """What was last logged about the file: said once, not every second."""
        self._next_check = 0.0
        self._flight: asyncio.Task[Token | NoToken] | None = None

    def ready(self) -> Token | None:
        """The token known now. At most once a second it starts a look at the file, for which nobody waits."""
        if self._token is not None and self._flight is None:
            now = asyncio.get_running_loop().time()
            if now >= self._next_check:
                self._next_check = now + FILE_CHECK_SECONDS
                self._fly()
        return self._token

    async def obtain(self) -> Token | NoToken:
        if self._token is not None:
            return self._token
        return await asyncio.shield(self._fly())

    async def renew(self, refused: Token) -> Token | NoToken:
        if self._token is not None and self._token != refused:
            return self._token  # another request's 401 brought it
        if self._flight is not None:
            await asyncio.shield(self._flight)  # it may have looked before the file was written
            if self._token is not None and self._token != refused:
                return self._token
        self._identity = None
        await asyncio.shield(self._fly())
        return self._token or refused

    def _fly(self) -> asyncio.Task[Token | NoToken]:
        """One look at a time; all who wait share it."""
        if self._flight is None:
            self._flight = self._http.spawn(self._look())
            self._flight.add_done_callback(self._landed)
        return self._flight

    def _landed(self, _: asyncio.Task[Token | NoToken]) -> None:
        self._flight = None

    async def _look(self) -> Token | NoToken:
        path, identity = self._path, self._identity
        try:
            found = await self._reads.read(lambda: _read_if_changed(path, identity))
        except ReadHangs as hangs:
            return unavailable(f"airship.auth.bearer_token_file {path!r}: {hangs}")
        if isinstance(found, str):
            if found != self._complaint:
                logger.warning("bearer_token_file %r: %s", path, found)
            self._complaint = found
            self._identity = None
            return CredentialsRefused(f"airship.auth.bearer_token_file {path!r}: {found}")
        self._complaint = ""
        if found is not None:
            if self._token is not None and self._token != found[0]:
                logger.info("bearer_token_file %r: found a new token", path)
            self._token, self._identity = found
        assert self._token is not None
        return self._token


def _read_if_changed(path: str, identity: FileIdentity | None) -> tuple[Token, FileIdentity] | str | None:
    """The token and whose it is; None if nothing changed; a text if there is no token, without the content in it."""
    try:
        stat = os.stat(path)
        found = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if found == identity:
            return None
        with open(path, encoding="ascii") as file:
            return Token(file.read(TOKEN_LENGTH_MAX + 1024).strip()), found
    except OSError as error:
        return f"cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        return "found bytes outside ASCII, expected a token"
    except ValueError as error:
        return str(error)


class Issued(NamedTuple):
    token: Token
    life_seconds: float


class RenewedToken:
    """A token with a life, fetched by `fetch`: refreshed ahead of its end, one fetch at a time.

    From 80 % of the life on a fetch is started beside the requests, which go on with the old token; only an expired
    token makes them wait. A failed refresh ahead is tried again after a pause, and never takes the old token away
    before its end.
    """

    REFRESH_SHARE = 0.8
    RETRY_AHEAD_SECONDS = 5.0
    EXPIRY_MARGIN_SHARE = 0.05
    EXPIRY_MARGIN_SECONDS_MAX = 10.0
    """So long before its end a token is not used any more: the request still has to get there."""

    def __init__(
        self,
        fetch: Callable[[], asyncio.Future[Issued | NoToken]],
        now: Callable[[], float],
    ) -> None:
        self._fetch = fetch
        self._now = now
        self._token: Token | None = None
        self._refresh_at = 0.0
        self._expires_at = 0.0
        self._complaint = ""
        self._flight: asyncio.Future[Issued | NoToken] | None = None

    def ready(self) -> Token | None:
        now = self._now()
        if self._token is None or now >= self._expires_at:
            return None
        if now >= self._refresh_at:
            self._refresh_at = now + self.RETRY_AHEAD_SECONDS
            self._fly()
        return self._token

    async def obtain(self) -> Token | NoToken:
        token = self.ready()
        if token is not None:
            return token
        return await self._land()

    async def renew(self, refused: Token) -> Token | NoToken:
        if self._token is not None and self._token != refused:
            return await self.obtain()  # another request's 401 brought it
        return await self._land()

    async def _land(self) -> Token | NoToken:
        found = await asyncio.shield(self._fly())
        return found.token if isinstance(found, Issued) else found

    def _fly(self) -> asyncio.Future[Issued | NoToken]:
        if self._flight is None:
            self._flight = self._fetch()
            self._flight.add_done_callback(self._landed)
        return self._flight

    def _landed(self, flight: asyncio.Future[Issued | NoToken]) -> None:
        self._flight = None
        if flight.cancelled() or flight.exception() is not None:
            return
        found = flight.result()
        if isinstance(found, Issued):
            self._token, life_seconds = found
            now = self._now()
            self._refresh_at = now + life_seconds * self.REFRESH_SHARE
            margin = min(self.EXPIRY_MARGIN_SECONDS_MAX, life_seconds * self.EXPIRY_MARGIN_SHARE)
            self._expires_at = now + life_seconds - margin
            self._complaint = ""
        elif found.detail != self._complaint:
            self._complaint = found.detail
            logger.warning("no access token: %s", found.detail)
