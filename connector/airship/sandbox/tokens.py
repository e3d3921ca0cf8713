"""Bearer tokens and the OAuth token endpoint. Owns the tokens issued, the tokens seen, and the nonces used.

Pure but for the clock it is given: form and headers in, an answer out. The checks are those of the contract; where it
is silent (which error code for which fault) RFC 6749 and RFC 7523 are followed.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import unquote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from connector.airship.sandbox.clock import SandboxClock
from connector.airship.sandbox.options import APP_KEY, SandboxOptions

ASSERTION_SECONDS_MAX = 600
NONCE_SECONDS = 2 * 3600
CLOCK_TOLERANCE_SECONDS = 60
_REMEMBERED_MAX = 100_000


@dataclass(frozen=True, slots=True)
class _Issued:
    app_key: str
    scopes: frozenset[str]
    expires: float


@dataclass(frozen=True, slots=True)
class _Grant:
    app_key: str
    scopes: frozenset[str]


class TokenFault(Exception):
    """What the token endpoint answers to bad credentials."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description


Standing: TypeAlias = Literal["good", "unknown", "expired", "other_app", "no_scope"]


class TokenDesk:
    def __init__(self, options: SandboxOptions, clock: SandboxClock) -> None:
        self._options = options
        self._clock = clock
        self._issued: OrderedDict[str, _Issued] = OrderedDict()
        self._first_seen: OrderedDict[str, float] = OrderedDict()
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._public_key = _public_key(options.client_public_key)

    def standing(self, token: str, app_key: str, now: float, expired_since: float | None) -> Standing:
        """What a token is worth for an app. `now` and `expired_since` are monotonic seconds of the fault rules."""
        first_seen = self._first_seen.get(token)
        issued = self._issued.get(token)
        if issued is None and not self._known(token):
            return "unknown"
        if first_seen is None:
            first_seen = now
            _remember(self._first_seen, token, now)
        # A fixed token was known before it was ever seen: only another token heals it.
        fixed = self._options.tokens is not None and token in self._options.tokens
        if expired_since is not None and (fixed or first_seen <= expired_since):
            return "expired"
        if issued is None:
            return "good"
        if self._clock.age_now() >= issued.expires:
            return "expired"
        if issued.app_key != app_key:
            return "other_app"
        return "good" if "evt" in issued.scopes else "no_scope"

    def _known(self, token: str) -> bool:
        return self._options.tokens is None or token in self._options.tokens

    def answer(
        self, form: Mapping[str, str], headers: Mapping[str, str], audiences: Sequence[str], now: float
    ) -> dict[str, object]:
        """Issues a token, or raises TokenFault."""
        if not _accepts_json(headers.get("Accept")):
            raise TokenFault(406, "not_acceptable", "Accept must allow application/json")
        if form.get("grant_type") != "client_credentials":
            raise TokenFault(400, "unsupported_grant_type", "grant_type must be client_credentials")
        authorization = headers.get("Authorization")
        if "assertion" in form:
            if authorization is not None:
                raise TokenFault(400, "invalid_request", "found Authorization and assertion, expected one of them")
            grant = self._grant_by_assertion(form["assertion"], audiences)
        elif authorization is not None:
            grant = self._grant_by_secret(form, authorization)
        else:
            raise TokenFault(401, "invalid_client", "found neither Authorization: Basic nor assertion")
        token = secrets.token_urlsafe(32)
        expires = self._clock.age_now() + self._options.token_seconds
        _remember(self._issued, token, _Issued(grant.app_key, grant.scopes, expires))
        _remember(self._first_seen, token, now)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._options.token_seconds,
            "scope": " ".join(sorted(grant.scopes)),
        }

    def _grant_by_secret(self, form: Mapping[str, str], authorization: str) -> _Grant:
        client_id, client_secret = _basic(authorization)
        expected = (self._options.client_id, self._options.client_secret)
        if (expected[0] or client_id, expected[1] or client_secret) != (client_id, client_secret):
            raise TokenFault(401, "invalid_client", "client id or secret is wrong")
        if not client_id or not client_secret:
            raise TokenFault(401, "invalid_client", "client id or secret is empty")
        return _Grant(self._app_key_in(form.get("sub")), _scopes(form.get("scope")))

    def _grant_by_assertion(self, assertion: str, audiences: Sequence[str]) -> _Grant:
        try:
            parts = jwt.decode_complete(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError as fault:
            raise TokenFault(400, "invalid_grant", f"the assertion cannot be read: {fault}") from None
        header, claims = parts["header"], parts["payload"]
        if header.get("alg") != "ES384":
            raise TokenFault(400, "invalid_grant", "alg must be ES384")
        client_id = header.get("kid")
        if not isinstance(client_id, str) or not client_id or claims.get("iss") != client_id:
            raise TokenFault(400, "invalid_grant", "kid and iss must both be the client id")
        if self._options.client_id not in {None, client_id}:
            raise TokenFault(401, "invalid_client", "client id is wrong")
        self._verify_signature(assertion)
        if claims.get("aud") not in audiences:
            raise TokenFault(400, "invalid_grant", f"aud must be the token URL ({' or '.join(audiences)})")
        self._check_times(claims)
        grant = _Grant(self._app_key_in(claims.get("sub")), _scopes(claims.get("scope")))
        self._use_nonce(client_id, claims.get("nonce"))
        return grant

    def _verify_signature(self, assertion: str) -> None:
        if self._public_key is None:
            return
        try:
            jwt.decode(
                assertion,
                self._public_key,
                algorithms=["ES384"],
                options={"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError as fault:
            raise TokenFault(401, "invalid_client", f"the signature is wrong: {fault}") from None

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.real_now()
        issued, expires = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
        if issued is None or expires is None:
            raise TokenFault(400, "invalid_grant", "iat and exp must be seconds since the epoch")
        if issued > now + CLOCK_TOLERANCE_SECONDS:
            raise TokenFault(400, "invalid_grant", "iat is in the future")
        if expires <= now:
            raise TokenFault(400, "invalid_grant", "the assertion has expired")
        if expires > now + ASSERTION_SECONDS_MAX:
            raise TokenFault(400, "invalid_grant", "exp is more than 10 minutes ahead")

    def _use_nonce(self, client_id: str, nonce: object) -> None:
        if not isinstance(nonce, str) or not nonce:
            raise TokenFault(400, "invalid_grant", "nonce is missing")
        now = self._clock.age_now()
        used = self._nonces.get((client_id, nonce))
        if used is not None and now - used < NONCE_SECONDS:
            raise TokenFault(400, "invalid_grant", "nonce was used before")
        self._nonces.pop((client_id, nonce), None)
        _remember(self._nonces, (client_id, nonce), now)

    def _app_key_in(self, subject: object) -> str:
        app_key = subject.removeprefix("app:") if isinstance(subject, str) and subject.startswith("app:") else ""
        if not APP_KEY.fullmatch(app_key):
            raise TokenFault(400, "invalid_request", "sub must be app:<app key of 22 characters>")
        if self._options.app_key not in {None, app_key}:
            raise TokenFault(401, "invalid_client", "sub names another app")
        return app_key


def bearer_token(authorization: str | None) -> str | None:
    """The token in an Authorization header; None for anything but a bearer token."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        pair = ""
    if scheme.lower() != "basic" or ":" not in pair:
        raise TokenFault(401, "invalid_client", "Authorization must be Basic base64(client_id:client_secret)")
    client_id, _, client_secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(client_secret)


def _scopes(scope: object) -> frozenset[str]:
    """Space-delimited; the official Python client sends a list. Without any the token is good for nothing (403)."""
    if isinstance(scope, list) and all(isinstance(name, str) for name in scope):
        return frozenset(scope)
    if scope is None or isinstance(scope, str):
        return frozenset((scope or "").split())
    raise TokenFault(400, "invalid_scope", "scope must be names separated by spaces")


def _accepts_json(accept: str | None) -> bool:
    if accept is None:
        return True
    types = {choice.partition(";")[0].strip().lower() for choice in accept.split(",")}
    return bool(types & {"application/json", "application/*", "*/*"})


def _seconds(claim: object) -> float | None:
    return claim if isinstance(claim, int | float) and not isinstance(claim, bool) else None


def _public_key(pem: bytes | None) -> EllipticCurvePublicKey | None:
    if pem is None:
        return None
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        raise ValueError("client_public_key: found no readable PEM, expected BEGIN PUBLIC KEY ...") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
        raise ValueError(  # noqa: TRY004  a wrong value, as all options report it
            "client_public_key: found another kind of key, expected an EC public key on P-384 (ES384)"
        )
    return key


def _remember(store: OrderedDict[Any, Any], key: object, value: object) -> None:
    store[key] = value
    if len(store) > _REMEMBERED_MAX:
        store.popitem(last=False)
