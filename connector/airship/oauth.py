"""One request to the token URL (OAuth2 client credentials), by client secret or by a signed assertion (ES384).

400, 401 and 406 are final for this attempt: the credentials are refused, somebody has to mend them. Everything else
may go by itself. Either way the next request that needs a token asks again, so nothing has to be restarted.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import uuid
from typing import TypeAlias
from urllib.parse import quote_plus, urlencode

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connector.airship.auth import FileReads, Issued, NoToken, ReadHangs, Token, unavailable
from connector.airship.client import HttpClient
from connector.airship.connection import ExchangeFault
from connector.core.records import CredentialsRefused, HttpAnswer
from connector.errors import SettingsError
from connector.http_thread import HttpThread
from connector.settings import OAuthSettings

FINAL_STATUSES = frozenset({400, 401, 406})
ASSERTION_SECONDS = 300
"""The life of a signed assertion; the contract allows ten minutes."""
LIFE_SECONDS_DEFAULT = 3600.0
"""Where the answer does not say: the documented life. A token that ends earlier is answered by a 401, and renewed."""
LIFE_SECONDS_MAX = 86_400.0
KEY_BYTES_MAX = 64 * 1024

Proof: TypeAlias = tuple[dict[str, str], dict[str, str]]
"""(header lines, form fields) that prove who asks."""


class TokenRequest:
    """Makes and sends token requests. Calling it starts one; it ends within `seconds_max`, always with a value."""

    def __init__(
        self,
        oauth: OAuthSettings,
        *,
        app_key: str,
        token_url: str,
        client: HttpClient,
        http: HttpThread,
        seconds_max: float,
    ) -> None:
        if (oauth.client_secret is None) == (oauth.private_key_file is None):
            raise SettingsError(["airship.auth.oauth: expected exactly one of client_secret and private_key_file"])
        self._oauth = oauth
        self._subject = f"app:{app_key}"
        self._token_url = token_url
        self._client = client
        self._http = http
        self._reads = FileReads(http)
        self._seconds_max = seconds_max

    def __call__(self) -> asyncio.Task[Issued | NoToken]:
        return self._http.spawn(self._ask())

    async def _ask(self) -> Issued | NoToken:
        deadline = asyncio.get_running_loop().time() + self._seconds_max
        proof = await self._prove()
        if not isinstance(proof, tuple):
            return proof
        lines, fields = proof
        form = urlencode({"grant_type": "client_credentials", **fields}).encode("ascii")
        head = self._client.head(
            {
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                **lines,
            }.items()
        )
        try:
            answer = await self._client.post(head, form, deadline)
        except ExchangeFault as fault:
            return unavailable(f"token URL: {fault.kind}: {fault.detail}")
        return read_token_answer(answer)

    async def _prove(self) -> Proof | NoToken:
        if self._oauth.client_secret is not None:
            pair = f"{quote_plus(self._oauth.client_id)}:{quote_plus(self._oauth.client_secret.get_secret_value())}"
            basic = "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
            return {"Authorization": basic}, {"sub": self._subject, "scope": self._oauth.scope}
        assert self._oauth.private_key_file is not None
        return await self._sign(self._oauth.private_key_file)

    async def _sign(self, path: str) -> Proof | NoToken:
        """The key is read for each assertion, so that another one in the file is used without a restart."""
        try:
            key = await self._reads.read(lambda: _load_key(path))
        except ReadHangs as hangs:
            return unavailable(f"airship.auth.oauth.private_key_file {path!r}: {hangs}")
        if isinstance(key, str):
            return CredentialsRefused(f"airship.auth.oauth.private_key_file {path!r}: {key}")
        return {}, {"assertion": self._assertion(key)}

    def _assertion(self, key: EllipticCurvePrivateKey) -> str:
        issued_at = int(time.time())
        claims = {
            "iss": self._oauth.client_id,
            "sub": self._subject,
            "aud": self._token_url,
            "iat": issued_at,
            "exp": issued_at + ASSERTION_SECONDS,
            "nonce": str(uuid.uuid4()),
            "scope": self._oauth.scope,
        }
        return jwt.encode(claims, key, algorithm="ES384", headers={"kid": self._oauth.client_id})


def read_token_answer(answer: HttpAnswer) -> Issued | NoToken:
    """What the token URL's answer means. Nothing of its body is repeated but a well-formed `error` code."""
    found = f"token URL: found status {answer.status}{_error_code(answer.body)}"
    if answer.status in FINAL_STATUSES:
        return CredentialsRefused(f"{found}, expected 200; check client_id, its secret or key, the scope and app_key")
    if answer.status != 200:
        return unavailable(f"{found}, expected 200")
    fields = _object(answer.body)
    if fields is None:
        return unavailable("token URL: found a 200 without a JSON object, expected access_token and expires_in")
    if str(fields.get("token_type", "Bearer")).lower() != "bearer":
        return unavailable("token URL: found another token_type, expected Bearer")
    value = fields.get("access_token")
    if not isinstance(value, str):
        return unavailable("token URL: found no access_token in a 200, expected a string")
    try:
        token = Token(value)
    except ValueError as error:
        return unavailable(f"token URL: access_token: {error}")
    return Issued(token, _life_seconds(fields.get("expires_in")))


def _life_seconds(found: object) -> float:
    """A number or its text; anything else counts as not said. At least a second, so that a token can be used at all."""
    try:
        seconds = float(found) if isinstance(found, (int, float, str)) and found is not True else LIFE_SECONDS_DEFAULT
    except (ValueError, OverflowError):
        seconds = LIFE_SECONDS_DEFAULT
    return min(max(seconds, 1.0), LIFE_SECONDS_MAX) if seconds == seconds else LIFE_SECONDS_DEFAULT  # noqa: PLR0124 NaN


def _error_code(body: bytes) -> str:
    error = (_object(body) or {}).get("error")
    return f" ({error})" if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else ""


def _object(body: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _load_key(path: str) -> EllipticCurvePrivateKey | str:
    """The key, or what is wrong with the file, without its content in it."""
    try:
        with open(path, "rb") as file:
            pem = file.read(KEY_BYTES_MAX)
    except OSError as error:
        return f"cannot be read: {error.strerror or type(error).__name__}"
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "found no unencrypted private key in PEM form, expected one of the curve P-384"
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP384R1):
        return "found a private key of another kind, expected one of the curve P-384 (ES384)"
    return key
