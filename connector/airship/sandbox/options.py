"""What a sandbox is started with: one frozen value, the same for the command, the tests and the demo."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from connector.airship.sandbox.fault_rules import Rule

PathSpelling: TypeAlias = Literal["brackets", "dots", "pointer", "jsonpath", "none", "wrong"]
"""How a refusal names the element: `[3].body.name`, `3.body.name`, `/3/body/name`, `$[3].body.name`, not at all, or
(`wrong`) as brackets but at an event that nothing is wrong with."""

ColumnUnit: TypeAlias = Literal["characters", "bytes"]
OperationIdSpelling: TypeAlias = Literal["operation_id", "operationId", "none"]
Validation: TypeAlias = Literal["full", "off"]

APP_KEY = re.compile(r"[\w-]{22}", re.ASCII)
EVENTS_MAX = 100
BODY_BYTES_MAX = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """Every option has the default that refuses nothing but what the contract refuses."""

    tokens: tuple[str, ...] | None = field(default=None, repr=False)
    """Bearer tokens that will do beside those issued at /token; None: any, (): only issued ones."""
    app_key: str | None = None
    """The one app key that will do; None: any of 22 characters."""
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_public_key: bytes | None = field(default=None, repr=False)
    """PEM of the ES384 public key; without it the signature of an assertion cannot be verified and is not."""
    token_audience: str | None = None
    """The `aud` that an assertion must carry; None: the address that the token request was sent to."""
    token_seconds: int = 3600
    """Life of an issued token, told as `expires_in`."""

    validation: Validation = "full"
    path: PathSpelling = "brackets"
    location: bool = True
    column_unit: ColumnUnit = "characters"
    operation_id: OperationIdSpelling = "operation_id"

    keep: int = 100_000
    """Accepted events, and requests, that the ledger keeps; the counts stay exact beyond it. 0 only counts."""
    keep_bytes: int = 256 * 1024 * 1024
    """Held bodies together have at most this size: the older ones go earlier when events are large."""
    record: Path | None = None
    """Accepted events are appended to this file, one a line."""

    now: datetime | None = None
    """What the clock that events are judged by shows at the start; None: the real time."""
    frozen: bool = False
    """The clock stands still until it is set or advanced."""
    seed: int = 0
    faults: tuple[Rule, ...] = ()

    idle_seconds: float = 75.0
    """A connection without a request is closed after this time."""
    read_seconds: float = 60.0
    """A request whose body has not arrived by then is answered 408."""
    stop_seconds: float = 1.0
    """How long `stop` waits for requests in flight before it cuts them off."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        if self.app_key is not None and not APP_KEY.fullmatch(self.app_key):
            raise ValueError(f"app_key: found {len(self.app_key)} characters, expected 22 of A-Z a-z 0-9 _ -")
        if self.keep < 0 or self.keep_bytes < 0:
            raise ValueError(f"keep, keep_bytes: found {self.keep}, {self.keep_bytes}, expected 0 or more")
        if self.token_seconds < 1:
            raise ValueError(f"token_seconds: found {self.token_seconds}, expected 1 or more")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key: found one of them, expected both or neither")
