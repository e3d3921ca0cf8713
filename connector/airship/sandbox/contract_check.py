"""What the endpoint says to a request: the contract, row by row. Pure: headers, bytes and a time in, a verdict out.

All or nothing: the first event with a fault refuses the whole request, and the answer names the place of the fault the
way the options ask for. Whether an event is valid is decided where the connector decides it too
(`connector.mapping`), so that the two cannot come apart; what the connector cannot know beforehand is a
`refuse` rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from connector.airship.sandbox.bodies import NOT_JSON, cut, decode, is_bare
from connector.airship.sandbox.fault_rules import RefuseFault
from connector.airship.sandbox.faults import Marker, StandingRule
from connector.airship.sandbox.options import APP_KEY, BODY_BYTES_MAX, EVENTS_MAX, ColumnUnit, SandboxOptions
from connector.airship.sandbox.places import Place, line_and_column, offset_of, place_of, pointer_place, spell, value_at
from connector.mapping.acceptance import Acceptance, Accepts
from connector.mapping.contract import faults_of
from connector.settings import ValidationSettings

MEDIA_TYPE = "application/vnd.urbanairship+json"
_BYTE = re.compile(r"\(byte (\d+)\)")


@dataclass(frozen=True, slots=True)
class Accepted:
    events: int


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    error: str
    code: int = 0
    """Two digits behind the status in `error_code`."""
    events: int = 0
    detail: str | None = None
    place: Place | None = None
    offset: int | None = None
    """The byte of the body that `location` speaks of."""
    rule_named: bool = False
    """A `refuse` rule refused it, not the contract."""


Verdict: TypeAlias = Accepted | Refusal


@dataclass(frozen=True, slots=True)
class _Guilty:
    index: int
    place: Place
    """Within the event."""
    detail: str
    error: str = "The request body is not valid."
    status: int = 400
    rule: StandingRule | None = None


def refusal_of_headers(headers: Mapping[str, str]) -> Refusal | None:
    """Checks what must be there besides the credentials: version, content type, no compression."""
    if not _accepts_version_3(headers.get("Accept", "")):
        return Refusal(406, f"Accept must be {MEDIA_TYPE}; version=3.", 0)
    media_type, _, parameters = headers.get("Content-Type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        return Refusal(415, "Content-Type must be application/json.", 0)
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in {"utf-8", "utf8"}:
        return Refusal(415, "The charset of Content-Type must be utf-8.", 1)
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        return Refusal(415, "Compressed bodies are not accepted.", 2)
    return None


def _accepts_version_3(accept: str) -> bool:
    for choice in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in choice.split(";"))
        if media_type == MEDIA_TYPE and any(re.fullmatch(r'version\s*=\s*"?3"?', part) for part in parameters):
            return True
    return False


def app_key_fault(app_key: str | None, expected: str | None) -> str | None:
    if app_key is None:
        return "X-UA-Appkey is missing."
    if not APP_KEY.fullmatch(app_key):
        return "X-UA-Appkey must be 22 characters of A-Z a-z 0-9 _ -."
    if expected is not None and app_key != expected:
        return "X-UA-Appkey names another app."
    return None


class ContractCheck:
    """Judges bodies. Holds no state but the options, the validator and the marker that stands in every sandbox."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        limits = ValidationSettings()
        self._acceptance = Acceptance(limits, BODY_BYTES_MAX) if options.validation == "full" else None
        always = RefuseFault()  # `sandbox_refuse: true` among an event's properties
        self._always: Marker = (StandingRule(0, always, 0.0, None), always)

    def verdict(self, body: bytes, now_seconds: float, markers: Sequence[Marker] = ()) -> Verdict:
        """What becomes of a body; counts a hit for the marker that refused it."""
        if len(body) > BODY_BYTES_MAX:
            return Refusal(413, f"The body has {len(body)} bytes; at most {BODY_BYTES_MAX} are accepted.")
        try:
            events = cut(body)
            if not 1 <= len(events) <= EVENTS_MAX:
                detail = f"Found {len(events)} events."
                return Refusal(400, f"The body must have 1 to {EVENTS_MAX} events.", 1, len(events), detail)
            jury = self._jury(body, now_seconds, markers)
            for index, event in enumerate(events):
                guilty = jury.guilt(index, event)
                if guilty is not None:
                    return self._refusal(body, events, guilty, jury)
        except msgspec.ValidationError:
            return Refusal(400, "The body must be an array of events.", 1)
        except NOT_JSON as fault:
            return _malformed(body, fault)
        return Accepted(len(events))

    def _jury(self, body: bytes, now_seconds: float, markers: Sequence[Marker]) -> _Jury:
        accepts = _anything if self._acceptance is None else self._acceptance.at(now_seconds)
        possible = [marker for marker in (*markers, self._always) if _may_match(marker[1], body)]
        return _Jury(accepts, now_seconds, possible)

    def _refusal(self, body: bytes, events: Sequence[bytes], guilty: _Guilty, jury: _Jury) -> Refusal:
        if guilty.rule is not None:
            guilty.rule.hits += 1
        index: int | None = guilty.index
        if self._options.path == "wrong":
            index = next((at for at, event in enumerate(events) if jury.guilt(at, event) is None), None)
        place: Place | None = None
        if index is not None:
            place = guilty.place if is_bare(body) else (index, *guilty.place)
        offset = None if place is None else offset_of(body, place)
        by_rule = guilty.rule is not None
        code = 3 if by_rule else 2
        return Refusal(guilty.status, guilty.error, code, len(events), guilty.detail, place, offset, by_rule)


@dataclass(frozen=True, slots=True)
class _Jury:
    """Looks at the events of one body. Cheap for good ones: only what is not accepted by its bytes is decoded."""

    accepts: Accepts
    now_seconds: float
    markers: Sequence[Marker]

    def guilt(self, index: int, text: bytes) -> _Guilty | None:
        accepted = self.accepts([text])
        markers = [marker for marker in self.markers if _may_match(marker[1], text)]
        if accepted and not markers:
            return None
        event = decode(text)
        faults = () if accepted else faults_of(event, self.now_seconds)
        if faults:
            detail = f"Expected {faults[0].expected}, found {faults[0].found}."
            return _Guilty(index, place_of(event, faults[0].field), detail)
        for standing, rule in markers:
            match = value_at(event, pointer_place(rule.pointer))
            if match is not None and _same(match[1], rule.equals):
                return _Guilty(index, match[0], rule.error, rule.error, rule.status, standing)
        return None


def _anything(_events: Sequence[bytes]) -> bool:
    return True


def answer_of(refusal: Refusal, body: bytes, options: SandboxOptions) -> dict[str, object]:
    """The JSON of a refusal, as documented: ok, error, error_code, details {error, path, location {line, column}}."""
    answer: dict[str, object] = {
        "ok": False,
        "error": refusal.error,
        "error_code": refusal.status * 100 + refusal.code,
    }
    details: dict[str, object] = {}
    if refusal.detail is not None:
        details["error"] = refusal.detail
    if refusal.place is not None and options.path != "none":
        details["path"] = spell(refusal.place, "brackets" if options.path == "wrong" else options.path)
    if refusal.offset is not None and options.location:
        details["location"] = _location(body, refusal.offset, options.column_unit)
    if details:
        answer["details"] = details
    return answer


def _location(body: bytes, offset: int, unit: ColumnUnit) -> dict[str, int]:
    line, column = line_and_column(body, offset, unit)
    return {"line": line, "column": column}


def _malformed(body: bytes, fault: Exception) -> Refusal:
    if isinstance(fault, RecursionError):
        return Refusal(400, "The body is nested too deep.", 0)
    try:
        body.decode()
    except UnicodeDecodeError as broken:
        return Refusal(400, "The body is not UTF-8.", 0, detail=broken.reason, offset=broken.start)
    byte = _BYTE.search(str(fault))
    offset = int(byte[1]) if byte else len(body)
    if "trailing" in str(fault):
        offset -= 1  # of these alone the decoder tells the byte behind the first one
    return Refusal(400, "Could not parse the request body.", 0, detail=_BYTE.sub("", str(fault)).strip(), offset=offset)


def _may_match(rule: RefuseFault, body: bytes) -> bool:
    """Whether a body can hold the marker at all: saves decoding where nothing else needs it."""
    last = pointer_place(rule.pointer)[-1]
    return last.isdecimal() or b"\\" in body or last.encode() in body


def _same(found: object, wanted: object) -> bool:
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
