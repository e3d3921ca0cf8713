"""How many requests the endpoint likes to have in flight: `requests_max: auto`.

Owns the limit, and what was measured at it. It climbs as long as more requests in flight bring more answers a second,
and stays where they do not: beyond that point they only wait at the endpoint. Time is cut into rounds, in which answers
are counted while there was always something more to send; only such a round says anything.

- At first the limit doubles, from round to round; once a step up did not pay, steps are a quarter.
- A step up is kept when it brings a third of what it could; a step down when it costs less than _LOSS_MAX, measured
  against the best that is known of this stretch, so that small losses do not add up.
- What was tried in vain is tried again later, each time after twice as many rounds: small excursions, ever rarer, and
  no oscillation.
- 429 and time-outs say that there were too many. A step up ends at once; the limit itself is lowered by a quarter, once
  for all requests that were in flight together.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from connector.core.outcomes import Delivered, Outcome, Retry
from connector.core.records import Answer, TransportFault

Sign: TypeAlias = Literal["delivered", "too_many", "other"]
"""What an answer says of the number of requests in flight."""

LIMIT_FIRST = 4
LIMIT_MAX = 128
"""More than one process can feed: 128 requests of 100 events, answered in 100 ms, are 128,000 events a second."""

_ROUND_SECONDS_MIN = 0.3
_ROUND_ANSWERS_MIN = 24
_STEP_FIRST = 2.0
_STEP = 1.25
_GAIN_SHARE_MIN = 1 / 3
_LOSS_MAX = 0.03
_REST_ROUNDS_FIRST = 4
_REST_ROUNDS_MAX = 64
_BACK_OFF = 0.75
_FALL, _RISE = 0.6, 1.6
"""Of the rate from one round to the next: more than chance."""


def sign_of(answer: Answer, outcome: Outcome) -> Sign:
    match outcome:
        case Delivered():
            return "delivered"
        case Retry("throttled"):
            return "too_many"
        case _:
            return "too_many" if isinstance(answer, TransportFault) and answer.kind == "timeout" else "other"


class _Trial(Enum):
    NONE = "none"
    UP = "up"
    DOWN = "down"


class Concurrency:
    __slots__ = (
        "_answers",
        "_base",
        "_base_rate",
        "_changed_at",
        "_down_next",
        "_idle",
        "_rest",
        "_rest_rounds",
        "_sent_at",
        "_started_at",
        "_step",
        "_trial",
        "limit",
        "limit_max",
    )

    def __init__(self, limit_max: int = LIMIT_MAX) -> None:
        self.limit_max = limit_max
        self.limit = self._base = min(LIMIT_FIRST, limit_max)
        self._base_rate = 0.0  # answers a second at the base; 0: not measured yet
        self._trial = _Trial.NONE
        self._step = _STEP_FIRST
        self._down_next = False
        self._rest = 0  # rounds until the next trial
        self._rest_rounds = _REST_ROUNDS_FIRST
        self._sent_at: dict[int, float] = {}
        self._changed_at = 0.0
        self._started_at: float | None = None  # of the round
        self._answers = 0
        self._idle = 0  # answers after which nothing more was there to send

    def sent(self, request_id: int, now: float) -> None:
        self._sent_at[request_id] = now

    def answered(self, request_id: int, sign: Sign, now: float, *, more: bool) -> None:
        """`more`: something else was ready to be sent."""
        sent_at = self._sent_at.pop(request_id)
        if sign == "too_many":
            if sent_at >= self._changed_at:
                self._too_many(now)
            return
        if sent_at < self._changed_at:
            return  # it was in flight with as many as there were before
        if self._started_at is None:
            self._started_at = now
            return
        self._answers += sign == "delivered"
        self._idle += not more
        enough = max(_ROUND_ANSWERS_MIN, 2 * self.limit)
        if self._answers + self._idle >= enough and now - self._started_at >= _ROUND_SECONDS_MIN:
            rate = self._answers / (now - self._started_at)
            saturated = 10 * self._idle <= self._answers
            self._begin_round()
            if saturated:
                self._judge(rate, now)

    def _judge(self, rate: float, now: float) -> None:
        """A round is over, and it was not for want of events that no more was sent."""
        match self._trial:
            case _Trial.UP:
                gain, possible = rate / self._base_rate - 1, self.limit / self._base - 1
                if gain >= _GAIN_SHARE_MIN * possible:
                    self._settle_at(self.limit, rate)
                    self._try(now, _Trial.UP)
                else:
                    self._step = _STEP
                    self._return(now)
            case _Trial.DOWN:
                if rate >= self._base_rate * (1 - _LOSS_MAX):
                    self._settle_at(self.limit, max(rate, self._base_rate))
                    self._try(now, _Trial.DOWN)
                else:
                    self._return(now)
            case _Trial.NONE:
                if self._base_rate and not _FALL < rate / self._base_rate < _RISE:
                    self._look_again(rate)
                self._base_rate = (self._base_rate + rate) / 2 if self._base_rate else rate
                self._rest -= 1
                if self._rest <= 0:
                    self._try(now, _Trial.DOWN if self._down_next else _Trial.UP)

    def _look_again(self, rate: float) -> None:
        """The endpoint is not what it was."""
        self._down_next = rate < self._base_rate
        self._base_rate = 0.0
        self._rest = 1
        self._rest_rounds = _REST_ROUNDS_FIRST

    def _try(self, now: float, trial: _Trial) -> None:
        up = min(self.limit_max, max(self._base + 1, round(self._base * self._step)))
        limit = up if trial is _Trial.UP else min(self._base, max(1, round(self._base / _STEP)))
        if limit == self._base:
            self._return(now)
            return
        self._trial = trial
        self._change(limit, now)

    def _settle_at(self, limit: int, rate: float) -> None:
        self._base, self._base_rate = limit, rate
        self._rest_rounds = _REST_ROUNDS_FIRST

    def _return(self, now: float) -> None:
        """To the base, for a while; then the other direction is tried."""
        self._down_next = not self._down_next
        self._trial = _Trial.NONE
        self._rest = self._rest_rounds
        self._rest_rounds = min(2 * self._rest_rounds, _REST_ROUNDS_MAX)
        if self.limit != self._base:
            self._change(self._base, now)

    def _too_many(self, now: float) -> None:
        if self._trial is _Trial.UP:
            self._step = _STEP
            self._return(now)
            return
        self._base = max(1, int(self._base * _BACK_OFF))
        self._base_rate = 0.0
        self._trial = _Trial.NONE
        self._down_next = False
        self._rest = self._rest_rounds
        self._change(self._base, now)

    def _change(self, limit: int, now: float) -> None:
        self.limit = limit
        self._changed_at = now
        self._begin_round()

    def _begin_round(self) -> None:
        self._started_at = None
        self._answers = self._idle = 0
