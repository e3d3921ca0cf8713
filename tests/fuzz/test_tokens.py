"""Whatever a token URL answers: a token that a header can carry, or why there is none, and nothing of it in a text."""

from __future__ import annotations

import json
import re

from hypothesis import example, given
from hypothesis import strategies as st

from connector.airship.auth import Issued, Token
from connector.airship.oauth import FINAL_STATUSES, LIFE_SECONDS_MAX, read_token_answer
from connector.core.records import CredentialsRefused, HttpAnswer, TransportFault

SECRET = "s3cr3t-in-the-answer"

odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(SECRET)
lives = odd | st.sampled_from(
    [10**4000, -(10**30), 1e308, "3600", "1e999", "nan", "-1", "0x10", "9" * 400, "\u0663", [], {}]
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "access_token": odd | st.just(SECRET * 1000) | st.text(max_size=60),
        "token_type": odd | st.sampled_from(["Bearer", "bearer", "MAC"]),
        "expires_in": lives,
        "error": odd | st.sampled_from(["invalid_client", "x" * 41, "Invalid Client " + SECRET]),
        "error_description": st.just(SECRET),
    },
)
bodies = (
    fields.map(lambda told: json.dumps(told).encode()) | st.binary(max_size=60) | st.just(b'{"error": ' + b"[" * 60_000)
)


@given(st.sampled_from([200, 200, 200, 400, 401, 406, 429, 500]) | st.integers(100, 999), bodies)
@example(200, b'{"access_token": "a", "expires_in": 1e999}')
@example(200, b'{"access_token": "a", "expires_in": NaN}')
@example(200, b'{"access_token": "a", "expires_in": true}')
@example(200, b'{"access_token": "a", "expires_in": ' + b"9" * 4000 + b"}")
@example(200, b'{"access_token": "a\\r\\nX: y"}')
@example(200, b'{"access_token": {"a": 1}, "token_type": ["Bearer"]}')
@example(200, b"[" * 65_000)
def test_any_answer_gives_a_usable_token_or_says_why_not(status: int, body: bytes) -> None:
    found = read_token_answer(HttpAnswer(status, body))
    match found:
        case Issued(token=token, life_seconds=seconds):
            assert status == 200
            assert re.fullmatch(r"[\x21-\x7e]{1,16384}", token.value)
            assert 1.0 <= seconds <= LIFE_SECONDS_MAX
            assert token.value not in repr(found)
        case CredentialsRefused(detail=detail):
            assert status in FINAL_STATUSES
            assert SECRET not in detail
        case TransportFault(detail=detail):
            assert status not in FINAL_STATUSES
            assert SECRET not in detail
            assert len(detail) < 300


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_a_token_that_could_break_a_header_is_none(value: str) -> None:
    try:
        token = Token(value)
    except ValueError as refused:
        found = str(refused)
        assert len(value) < 6 or value not in found
    else:
        assert token.value == value
        assert re.fullmatch(r"[\x21-\x7e]+", value)
