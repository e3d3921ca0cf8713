"""A quick look at the bytes of events: accepted here means valid by the models in `contract.py`, and costs a tenth.

Conservative: what is not accepted may be valid all the same and goes to the models, which stay the only source of
truth. A property test proves that nothing is accepted here that they refuse.

It looks at all events of a run at once and says yes or no to all of them: a call for each would cost as much again.

How it can be so cheap: msgspec checks the syntax of the whole text and the types of the known fields in one pass in C
and makes objects of those alone. `properties` is an empty struct, so that its content is walked over and no object
made of it. What msgspec leaves open is checked beside it:

- it does not look at the UTF-8 of what it walks over: bytes beyond ASCII are decoded once;
- strings longer than 255 characters inside `properties`: the text has no run of 256 bytes without a quotation mark;
- `occurred` by its hour, which is looked up, and its minutes and seconds, which are one of 7,200 texts.

A number that a double cannot hold (1e999) is a valid JSON number, passes, and is sent as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

import msgspec

from connector.mapping.contract_rules import IDENTIFIERS, UUID_PATTERN, WINDOW_SECONDS
from connector.settings import ValidationSettings

Accepts: TypeAlias = Callable[[Sequence[bytes]], bool]
"""Whether all of these events are valid."""

_HOUR = timedelta(hours=1)
_RUN = 256
_MOMENTS_KEPT_MAX = 10_000
"""About a megabyte. A stream holds few different ones, for most events are new; a backfill more."""
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
        self._moments: set[str | None] = set()
        self._second: int | None = None
        self._current: Accepts = _nothing
        # Limits that need the content of `properties` are for the models.
        self._off = limits.properties_depth_max is not None or limits.properties_keys_max is not None

    def at(self, now_seconds: float) -> Accepts:
        """The check for events that are looked at now; the same for all runs of one second."""
        second = int(now_seconds)
        if second != self._second:
            self._current = self._at(second)
            self._second = second
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
            self._moments = set()
        # What was not in the future before is not now. A copy, so that an earlier check learns nothing of a later one.
        goes_on = self._second is not None and now_seconds > self._second and len(self._moments) < _MOMENTS_KEPT_MAX
        self._moments = set(self._moments) if goes_on else set()
        this_hour = latest.strftime("%Y-%m-%dT%H")
        this_hours = frozenset((this_hour, this_hour.replace("T", " ")))
        return self._check(_Moments(self._moments, self._hours, this_hours, latest.strftime(":%M:%S")))

    def _check(self, moments: _Moments) -> Accepts:
        decode, bytes_max = self._decode, self._bytes_max

        def accepts(bodies: Sequence[bytes]) -> bool:
            try:
                events = list(map(decode, bodies))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return False
            return (
                max(map(len, bodies), default=0) <= bytes_max
                and _have_one_identifier([event.user for event in events])
                and all(map(str.islower, {event.body.name for event in events}))
                and moments.hold([event.occurred for event in events])
                # Quotation marks keep the texts apart, and change nothing else of what is looked for.
                and _are_short_texts(b'"'.join(bodies))
            )

        return accepts


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _nothing(_bodies: Sequence[bytes]) -> bool:
    return False


def _have_one_identifier(users: Sequence[Any]) -> bool:
    ids = [user.named_user_id for user in users]
    if None in ids:
        return all(map(_has_one_identifier, users))
    channels = [
        user.channel or user.ios_channel or user.android_channel or user.amazon_channel or user.web_channel
        for user in users
    ]
    return [name.strip() for name in ids] == ids and not any(channels)  # one that is there is not empty, by its pattern


def _has_one_identifier(user: Any) -> bool:
    name = user.named_user_id
    if name is not None and name.strip() != name:
        return False
    return sum(getattr(user, identifier) is not None for identifier in IDENTIFIERS) == 1


class _Moments:
    """Times of events, as they are written, that lie in the window of one check. Those that were met are kept."""

    def __init__(self, known: set[str | None], hours: _Hours, this_hour: frozenset[str], latest: str) -> None:
        """Of `this_hour` what comes after `latest` is in the future; both as they are written in an event."""
        self._known = known
        self._hours = hours
        self._this_hour = this_hour
        self._latest = latest
        known.add(None)  # an event need not say when it occurred

    def hold(self, moments: Sequence[str | None]) -> bool:
        return self._known.issuperset(moments) or all(map(self._learn, set(moments) - self._known))

    def _learn(self, moment: str | None) -> bool:
        assert moment is not None
        hour, tail = moment[:13], moment[13:]
        if tail not in _MINUTES_AND_SECONDS:
            return False
        if hour in self._this_hour:
            if tail[:6] > self._latest:
                return False
        elif hour not in self._hours.known and not self._hours.learn(hour):
            return False
        if len(self._known) < _MOMENTS_KEPT_MAX:
            self._known.add(moment)
        return True


def _are_short_texts(body: bytes) -> bool:
    """Whether it is UTF-8 and no string in it can have more than 255 characters."""
    if not body.isascii() and not _is_utf8(body):
        return False
    if _BACKSLASH in body and b'\\"' in body:
        body = body.replace(b'\\"', b"__")
    start, last = 0, len(body) - _RUN
    while start <= last:
        start = body.rfind(_QUOTE, start, start + _RUN) + 1
        if not start:
            return False
    return True


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
