"""The file's YAML: scalars as JSON reads them, lines, and faults that quote no value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.configuration.yaml_tree import DEPTH_MAX, TEXT_BYTES_MAX, YamlTree
from tests.unit.configuration.documents import faults

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("2020-05-02", "2020-05-02"),
        ("12:30:45", "12:30:45"),
        ("01234", "01234"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("0", 0),
        ("-7", -7),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        (".5", ".5"),
        (".inf", ".inf"),
        ("4MiB", "4MiB"),
        ("'1'", "1"),
        ("kafka:9092", "kafka:9092"),
        ("=", "="),
    ],
)
def test_a_scalar_is_what_json_would_say(text: str, value: object) -> None:
    read = YamlTree(f"key: {text}\n")
    assert not read.faults
    found = read.tree["key"]
    assert found == value
    assert type(found) is type(value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inside, max_size=3)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), json_values, min_size=1, max_size=4))
def test_json_is_read_as_json(document: dict[str, Any]) -> None:
    read = YamlTree(json.dumps(document, indent=1))
    assert not read.faults
    assert read.tree == document


def test_every_value_has_its_line() -> None:
    read = YamlTree("a:\n  b: 1\n  c:\n    - x\n    -\n      d: 2\n")
    assert read.lines == {
        (): 1,
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c"): 3,
        ("a", "c", 0): 4,
        ("a", "c", 1): 6,
        ("a", "c", 1, "d"): 6,
    }


def test_a_key_that_stands_twice_is_told_with_both_lines() -> None:
    read = YamlTree("kafka:\n  group_id: a\n  other: 1\n  group_id: b\n")
    assert read.faults == [(("kafka", "group_id"), 4, "stands here for the second time; the first is in line 2")]
    assert read.tree["kafka"]["group_id"] == "a"


def test_a_key_may_be_repeated_over_a_merge() -> None:
    read = YamlTree("base: &base {a: 1, b: 2}\nown:\n  <<: *base\n  b: 3\n")
    assert not read.faults
    assert read.tree["own"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: *gone\n", 1, "not YAML: a value that starts with `*` or `&` needs quotes"),
        ("a: !vault x\n", 1, "found a value with a tag of YAML (`!...`), expected one without; quotes make it text"),
        ("a: 1\n1: b\n", 2, "found a key that is no text; put it in quotes"),
        ("a: b\n  c: d\n", 2, "not YAML: mapping values are not allowed in this context"),
        ("a: [1\nb: 2\n", 2, "not YAML: "),
        ("a: '\n", 2, "not YAML: "),
        ("a: b\x07\n", 1, "found the character U+0007, which YAML does not allow"),
        ("- a\n", 1, "found a list, expected sections such as `kafka:`"),
        ("words\n", 1, "found a single value, expected sections such as `kafka:`"),
        ("", None, "found nothing in it, expected sections such as `kafka:`"),
        ("a: <<\nb:\n  <<: 1\n", 3, "found a single value after <<, expected a mapping"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: str, line: int | None, said: str) -> None:
    (_, found_line, found), *more = YamlTree(text).faults
    assert not more
    assert (found_line, found[: len(said)]) == (line, said)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "a: " + "[" * (DEPTH_MAX + 2) + "]" * (DEPTH_MAX + 2) + "\n",
        "".join(f"a{place}: &a{place} [{f'*a{place - 1}, ' * 9}]\n" for place in range(1, 12)).replace("*a0, ", "1, "),
        "[" * 100_000,
        "a: " + "x" * TEXT_BYTES_MAX,
        "a: " + "9" * 100,
    ],
)
def test_a_file_that_would_never_end_is_refused_soon(text: str) -> None:
    assert YamlTree(text).faults


@pytest.mark.parametrize(
    "text",
    [
        f"a: !{SECRET}\n",
        f"a: *{SECRET}\n",
        f"a: '{SECRET}\n",
        f"a: {SECRET}: {SECRET}\n",
        f"a: @{SECRET}\n",
        f"a: %{SECRET}\n",
        f"a: `{SECRET}\n",
        f"a: {{{SECRET}: [\n",
        f'a: "\\{SECRET}"\n',
        f"a: |{SECRET}\n",
        f"%YAML {SECRET}\n",
        f"a: 1\n{SECRET}\n",
        f"a: !!int {SECRET}\n",
        f"- {SECRET}\n",
        SECRET,
    ],
)
def test_no_fault_quotes_a_value(text: str) -> None:
    told = YamlTree(text).faults
    assert told
    assert SECRET not in repr(told)


@given(st.text(st.sampled_from("ab:- \n{}[]\"'&*!|>%@`#,?\t"), max_size=60))
def test_any_text_gives_a_tree_or_faults(text: str) -> None:
    read = YamlTree(text)
    assert read.tree or read.faults or text.strip().startswith("{")
    assert all(line is None or 1 <= line <= text.count("\n") + 2 for _, line, _ in read.faults)


def test_the_loader_tells_the_file_and_the_line(tmp_path: Path) -> None:
    told = faults("kafka:\n  group_id: a\n  group_id: b\n", tmp_path)
    assert "connector.yaml:3: kafka.group_id: stands here for the second time; the first is in line 2" in told
