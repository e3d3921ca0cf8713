"""A quick look at the bytes of an event: accepted here means valid by the models in `contract.py`, and costs a tenth.

Conservative: what is not accepted may be valid all the same and goes to the models, which stay the only source of
truth. A property test proves that nothing is accepted here that they refuse.

How it can be so cheap: msgspec checks the syntax of the whole text and the types of the known fields in one pass in C
and makes objects of those alone. `properties` is an empty struct, so that its content is walked over and no object
made of it. What msgspec leaves open is checked beside it:

- it does not look at the UTF-8 of what it walks over: bytes beyond ASCII are decoded once;
- strings longer than 255 characters inside `properties`: the text has no run of 256 bytes without a quotation mark;
- `occurred` by its hour, which is looked up, and its minutes and seconds, which are one of 7,200 texts.

A number that a double cannot hold (1e999) is a valid JSON number, passes, and is sent as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

import msgspec

from connector.mapping.contract_rules import IDENTIFIERS, UUID_PATTERN, WINDOW_SECONDS
from connector.settings import ValidationSettings

Accepts: TypeAlias = Callable[[bytes], bool]

_HOUR = timedelta(hours=1)
_RUN = 256
_QUOTE = 0x22
_BACKSLASH = 0x5C
_MINUTES_AND_SECONDS = frozenset(
    f":{minute:02}:{second:02}{zone}" for minute in range(60) for second in range(60) for zone in ("", "Z")
)


class _Skipped(msgspec.Struct, gc=False):
    """An object whose content is walked over."""


class Acceptance:
    """Made once; `at` gives the check for one moment, to be asked once for a run of records."""

    def __init__(self, limits: ValidationSettings, bytes_max: int) -> None:
        self._decode = msgspec.json.Decoder(_event_type(limits)).decode
        self._bytes_max = bytes_max
        self._skew_seconds = limits.clock_skew_ms // 1000
        self._window = (datetime.min.replace(tzinfo=UTC),) * 2
        self._hours = _Hours(*self._window)
        self._second: int | None = None
        self._current: Accepts = _nothing
        # Limits that need the content of `properties` are for the models.
        self._off = limits.properties_depth_max is not None or limits.properties_keys_max is not None

    def at(self, now_seconds: float) -> Accepts:
        """The check for events that are looked at now; the same for all runs of one second."""
        second = int(now_seconds)
        if second != self._second:
            self._second = second
            self._current = self._at(second)
        return self._current

    def _at(self, now_seconds: int) -> Accepts:
        if self._off:
            return _nothing
        latest = datetime.fromtimestamp(now_seconds + self._skew_seconds, UTC)
        oldest = datetime.fromtimestamp(now_seconds - WINDOW_SECONDS, UTC)
        # The hour of `latest` and the oldest one are not whole.
        window = (_hour(oldest) + _HOUR, _hour(latest) - _HOUR)
        if window != self._window:
            self._window = window
            self._hours = _Hours(*window)
        this_hour = latest.strftime("%Y-%m-%dT%H")
        return self._check(self._hours, frozenset((this_hour, this_hour.replace("T", " "))), latest.strftime(":%M:%S"))

    def _check(self, window: _Hours, this_hour: frozenset[str], latest: str) -> Accepts:
        # Locals of a closure: an attribute of self costs 20 ns each time, and this runs for every record.
        decode, bytes_max, tails = self._decode, self._bytes_max, _MINUTES_AND_SECONDS
        hours, learn = window.known, window.learn

        def accepts(body: bytes) -> bool:
            try:
                event = decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return False
            end = len(body)
            if end > bytes_max:
                return False
            user = event.user
            named_user_id = user.named_user_id
            if named_user_id is None:
                if not _one_channel(user):
                    return False
            elif named_user_id.strip() is not named_user_id or not _no_channel(user):
                return False
            if not event.body.name.islower():
                return False
            occurred = event.occurred
            if occurred is not None:
                hour = occurred[:13]
                tail = occurred[13:]
                if tail not in tails:
                    return False
                if hour in this_hour:
                    if tail[:6] > latest:
                        return False
                elif hour not in hours and not learn(hour):
                    return False
            if not body.isascii() and not _is_utf8(body):
                return False
            if _BACKSLASH in body and b'\\"' in body:
                body = body.replace(b'\\"', b"__")
            start = 0
            while end - start >= _RUN:
                start = body.rfind(_QUOTE, start, start + _RUN) + 1
                if not start:
                    return False
            return True

        return accepts


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _nothing(_body: bytes) -> bool:
    return False


def _no_channel(user: Any) -> bool:
    return (
        user.channel is None
        and user.ios_channel is None
        and user.android_channel is None
        and user.amazon_channel is None
        and user.web_channel is None
    )


def _one_channel(user: Any) -> bool:
    return sum(getattr(user, identifier) is not None for identifier in IDENTIFIERS) == 1


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Hours:
    """The whole hours inside one window, learned as they are met: a stream holds few, a backfill at most 2,160."""

    def __init__(self, first: datetime, last: datetime) -> None:
        self.known: set[str] = set()
        self._first = first
        self._last = last

    def learn(self, hour: str) -> bool:
        """Whether an hour that is not known yet lies inside."""
        if len(hour) != 13 or hour[10] not in "T " or not hour.isascii():
            return False
        try:
            moment = datetime.strptime(hour.replace(" ", "T"), "%Y-%m-%dT%H").replace(tzinfo=UTC)
        except ValueError:
            return False
        inside = self._first <= moment <= self._last
        if inside:
            self.known.add(hour)
        return inside


def _event_type(limits: ValidationSettings) -> type[Any]:
    """The known fields with their types and lengths. A field is None when it is missing; null is refused."""

    def struct(name: str, fields: dict[str, Any], required: tuple[str, ...] = ()) -> type[Any]:
        ordered: list[Any] = [(key, fields[key]) for key in required]
        ordered += [(key, kind, None) for key, kind in fields.items() if key not in required]
        return msgspec.defstruct(name, ordered, gc=False)

    text = Annotated[str, msgspec.Meta(max_length=limits.text_length_max)]
    channel = Annotated[str, msgspec.Meta(pattern=UUID_PATTERN, max_length=36)]
    number = Annotated[float, msgspec.Meta(ge=limits.value_min, le=limits.value_max)]
    user = struct(
        "User",
        dict.fromkeys(IDENTIFIERS, channel)
        | {"named_user_id": Annotated[str, msgspec.Meta(min_length=1, max_length=limits.named_user_id_length_max)]},
    )
    body = struct(
        "Body",
        {
            "name": Annotated[str, msgspec.Meta(min_length=1, max_length=limits.name_length_max)],
            "value": number,
            "properties": _Skipped,
        }
        | dict.fromkeys(("transaction", "interaction_id", "interaction_type", "session_id", "unique_id"), text),
        required=("name",),
    )
    return struct("Event", {"user": user, "body": body, "occurred": str}, required=("user", "body"))
