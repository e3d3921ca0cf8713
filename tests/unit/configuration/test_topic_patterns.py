"""Patterns mean the same to Python, to librdkafka and to the broker, or are refused."""

from __future__ import annotations

import ctypes
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.configuration.topic_patterns import PATTERN_LENGTH_MAX, pattern_fault

LIBC = ctypes.CDLL(None)
REG_EXTENDED = 1


class Posix:
    """libc's extended expressions: what librdkafka's classic protocol uses on Linux."""

    def __init__(self, pattern: str) -> None:
        # regex_t is opaque; 64 bytes with glibc, more room than that for any other.
        self._compiled = ctypes.create_string_buffer(512)
        self.usable = LIBC.regcomp(self._compiled, f"^({pattern})$".encode(), REG_EXTENDED) == 0

    def takes(self, topic: str) -> bool:
        return bool(LIBC.regexec(self._compiled, topic.encode(), 0, None, 0) == 0)

    def close(self) -> None:
        LIBC.regfree(self._compiled)


@pytest.mark.parametrize(
    "pattern",
    ["orders", "orders-.*", "(orders|returns)", "[a-z]+-v[0-9]", "o{2,3}", "a.b", r"a\.b", "[^_].*", "[]a]+", "a?b"],
)
def test_what_all_readers_know_is_taken(pattern: str) -> None:
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "found 0 characters, expected a regular expression of 1 to 1000"),
        ("a" * (PATTERN_LENGTH_MAX + 1), "found 1001 characters"),
        (r"orders-\d+", r"found \d, which librdkafka does not know; write [0-9]"),
        (r"\w+", r"found \w, which librdkafka does not know; write [A-Za-z0-9_]"),
        (r"\ba", r"found \b, which librdkafka does not know"),
        (r"[\d]", r"found a backslash inside [...]"),
        ("[[:alpha:]]", "found [ inside [...]"),
        ("(?i)orders", "found (?, which librdkafka does not know; expected plain groups"),
        ("(?:a|b)", "found (?, which librdkafka does not know"),
        ("a.*?b", "found *?, which librdkafka does not know"),
        ("a++", "found ++, which librdkafka does not know"),
        ("(", "found no regular expression: "),
        ("[a", "found no regular expression: "),
        ("*", "found no regular expression: "),
        (".*", "found a pattern that takes Kafka's own topics such as __consumer_offsets"),
        ("_+c.*", "found a pattern that takes Kafka's own topics"),
    ],
)
def test_what_one_reader_takes_otherwise_is_refused(pattern: str, said: str) -> None:
    found = pattern_fault(pattern)
    assert found is not None
    assert found.startswith(said)


pieces = st.sampled_from(
    [
        "a",
        "b",
        "-",
        "_",
        ".",
        r"\.",
        r"\-",
        "[ab]",
        "[^a]",
        "[a-c]",
        "(a|b)",
        "(",
        ")",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{1,2}",
        r"\d",
        "[",
        "]",
        "^",
        "$",
    ]
)
topics = st.lists(st.sampled_from("abc.-_d"), min_size=1, max_size=6).map("".join)


@given(st.lists(pieces, min_size=1, max_size=6).map("".join), st.lists(topics, min_size=5, max_size=20))
def test_a_pattern_that_is_taken_takes_the_same_topics_everywhere(pattern: str, names: list[str]) -> None:
    if pattern_fault(pattern) is not None:
        return
    posix = Posix(pattern)
    assert posix.usable, pattern
    for name in names:
        assert posix.takes(name) == (re.fullmatch(pattern, name) is not None), name
    posix.close()
