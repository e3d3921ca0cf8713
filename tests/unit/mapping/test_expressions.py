"""Closures against the library: the same results for random expressions over random documents."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from connector.mapping.expressions import Compiler
from connector.mapping.faults import ExpressionSyntaxError, ValueFault
from connector.mapping.functions import functions_of
from connector.mapping.jmespath_language import ERRORS, Functions, Interpreter
from connector.mapping.message import Message

COMPILER = Compiler(Message())
INTERPRETER = Interpreter(Functions(functions_of(Message())))

NAMES = st.sampled_from(["a", "b", "c", '"a b"', '"ü"'])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 1.5, "", "a", "b", "10", "ü"])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c", "a b", "ü"]), inner, max_size=4)
    ),
    max_leaves=16,
)
LITERALS = st.sampled_from(
    ["'a'", "''", "`1`", "`0`", "`true`", "`false`", "`null`", "`[1, [2]]`", '`{"a": 1}`', "`1.5`"]
)
INDEXES = st.sampled_from(["[0]", "[-1]", "[2]", "[]", "[*]", "[1:]", "[::-1]", "[:-1:2]", "[0:1]"])
ONE = (
    "length",
    "type",
    "keys",
    "values",
    "to_string",
    "to_number",
    "to_array",
    "abs",
    "sum",
    "avg",
    "max",
    "min",
    "sort",
)
ONE_ARGUMENT = st.sampled_from([*ONE, "ceil", "floor", "reverse", "not_null", "lower", "upper", "coalesce", "string"])
TWO_ARGUMENTS = st.sampled_from(
    ["contains", "starts_with", "ends_with", "join", "merge", "not_null", "coalesce", "split"]
)
BY = st.sampled_from(["sort_by", "max_by", "min_by"])


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    comparators = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    return st.one_of(
        st.builds("{}.{}".format, inner, NAMES),
        st.builds("{}{}".format, inner, INDEXES),
        st.builds("{}[].{}".format, inner, NAMES),
        st.builds("{}.*".format, inner),
        st.builds("{}.[{}, {}]".format, inner, inner, inner),
        st.builds("{}.{{x: {}, y: {}}}".format, inner, inner, inner),
        st.builds("{}[?{}]".format, inner, inner),
        st.builds("{}[?{} {} {}]".format, inner, inner, comparators, inner),
        st.builds("({} {} {})".format, inner, comparators, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||", "|"]), inner),
        st.builds("!{}".format, inner),
        st.builds("{}({})".format, ONE_ARGUMENT, inner),
        st.builds("{}({}, {})".format, TWO_ARGUMENTS, inner, inner),
        st.builds("{}({}, &{})".format, BY, inner, inner),
        st.builds("map(&{}, {})".format, inner, inner),
    )


EXPRESSIONS = st.recursive(NAMES | LITERALS | st.just("@"), _deeper, max_leaves=8)


def outcome(evaluate: Any, document: Any) -> str:
    """The result with its types, or the kind of failure."""
    try:
        return repr(evaluate(document))
    except ERRORS as error:
        return f"failed: {type(error).__name__}"


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, DOCUMENTS)
def test_closures_give_what_the_interpreter_gives(expression: str, document: Any) -> None:
    try:
        node = jmespath.compile(expression).parsed
    except jmespath.exceptions.ParseError:
        with pytest.raises(ExpressionSyntaxError):
            COMPILER.compile(expression)
        return
    expected = outcome(lambda value: INTERPRETER.visit(node, value), document)
    event("failed" if expected.startswith("failed") else "null" if expected == "None" else "a value")
    assert outcome(COMPILER.compile(expression).evaluate, document) == expected


PATHS = st.builds(
    lambda first, rest: first + "".join(rest), NAMES, st.lists(st.builds(".{}".format, NAMES) | INDEXES, max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(PATHS, DOCUMENTS)
def test_paths_give_what_the_library_itself_gives(path: str, document: Any) -> None:
    assert repr(COMPILER.compile(path).evaluate(document)) == repr(jmespath.search(path, document))


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, DOCUMENTS)
def test_a_document_is_not_changed(expression: str, document: Any) -> None:
    before = repr(document)
    try:
        outcome(COMPILER.compile(expression).evaluate, document)
    except ExpressionSyntaxError:
        return
    assert repr(document) == before


VALUES: list[Any] = [
    *[None, True, False, 0, 0.0, 1, -1, "", "a", "b", [], {}],
    *[
        [0],
        [False],
        [[]],
        [[], [1]],
        [1, [2, [3]]],
        [None, 0, "", [], {}, False, "a"],
        [{"a": 1}, [{"a": 2}], {"b": 3}],
    ],
    *[{"a": None}, {"a": 0}, {"a": [0, {"a": "b"}]}, {"a": {"a": "", "b": 0}, "b": [1, None, 2]}],
]
EACH = [
    *[
        "a",
        "a.b",
        "a.b.c",
        "@",
        "@.a",
        "a[0]",
        "[0]",
        "[-1]",
        "[1]",
        "[-2]",
        "a[0].a",
        "[]",
        "[].a",
        "[][]",
        "[].[a]",
        "[*]",
    ],
    *[
        "[*].a",
        "*",
        "*.a",
        "*[0]",
        "*.*",
        "a[*].a",
        "a[].a",
        "[1:]",
        "[::-1]",
        "[:1].a",
        "[?@]",
        "[?a].a",
        "[?a == `0`]",
    ],
    *[
        "[?@ == `0`]",
        "[?@ != `0`]",
        "[?@ < `1`]",
        "[?!@]",
        "!@",
        "a || b",
        "@ || `1`",
        "@ && `1`",
        "a && b",
        "@ == 'a'",
    ],
    *[
        "'a' == @",
        "@ != 'a'",
        "a == 'b'",
        "@ == `[0]`",
        "@ == `1`",
        "@ <= `0`",
        "@ >= 'a'",
        "@ > 'a'",
        "[a, b]",
        "{x: a, y: @}",
    ],
    *["@.{x: b}", "@.[a]", "a | b", "[] | [0]", "[*].a | [0]", "(a || b).c", "length(@)", "not_null(a, b)", "type(@)"],
    *["sort_by(@, &a)", "map(&a, @)", "to_array(@)", "contains(@, `0`)", "keys(@)", "to_string(@)", "max(@)", "sum(@)"],
]


@pytest.mark.parametrize("expression", EACH)
def test_each_kind_of_expression_over_each_kind_of_value(expression: str) -> None:
    evaluate = COMPILER.compile(expression).evaluate
    node = jmespath.compile(expression).parsed
    for value in VALUES:
        assert outcome(evaluate, value) == outcome(lambda value: INTERPRETER.visit(node, value), value), value


def search(expression: str, document: Any = None) -> Any:
    return COMPILER.compile(expression).evaluate(document)


@pytest.mark.parametrize(
    ("expression", "document", "expected"),
    [
        # Where the library and the specification part, the specification.
        ("[?@ == `1`]", [1, True, 1.0, [1]], [1, 1.0]),
        ("a == b", {"a": [1], "b": [True]}, False),
        ("a == b", {"a": {"x": [0]}, "b": {"x": [False]}}, False),
        ("a == b", {"a": [1.0], "b": [1]}, True),
        ("contains(@, `true`)", [1, 0], False),
        ("contains(@, `1`)", [True], False),
        ("contains(@, `[1]`)", [[1]], True),
        ("contains('abc', `1`)", None, False),
        ("`1` < 'a'", None, None),
        ("'a' >= `1`", None, None),
        ("`true` > `0`", None, None),
        ("[?a > `1`].a", [{"a": 1}, {"a": 2}, {"a": "3"}, {"a": None}], [2]),
        ("to_number('nan')", None, None),
        ("to_number('1_000')", None, None),
        ("to_number(' 7 ')", None, None),
        ("to_number('+7')", None, None),
        ("to_number('07')", None, None),
        ("to_number('.5')", None, None),
        ("to_number('5.')", None, None),
        ("to_number('-0.50e1')", None, -5.0),
        ("to_number('12')", None, 12),
        ("to_number(`true`)", None, None),
        ('to_string(`{"a": "ü"}`)', None, '{"a":"ü"}'),
        ("to_string(`null`)", None, "null"),
        ("to_string(`1.0`)", None, "1.0"),
        # And the one place where the library is followed: strings are ordered.
        ("a < b", {"a": "2024-01-01", "b": "2024-01-02"}, True),
        ("a > b", {"a": "2024-01-01", "b": "2024-01-02"}, False),
    ],
)
def test_the_specification_decides(expression: str, document: Any, expected: Any) -> None:
    found = search(expression, document)
    assert (found, type(found)) == (expected, type(expected))
    node = jmespath.compile(expression).parsed
    assert repr(INTERPRETER.visit(node, document)) == repr(expected), "inside expressions that are left to it, too"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("type(d)", "number"),
        ("d > `1`", True),
        ("d == `1.5`", True),
        ("sum([d, `1`, `0.1`])", "2.6"),
        ("avg([d, `0.5`])", "1.0"),
        ("max([d, `2`])", 2),
        ("sort([`2`, d])[0]", "1.5"),
        ("sort_by([{k: `2`}, {k: d}], &k)[0].k", "1.5"),
        ("abs(d)", "1.5"),
        ("ceil(d)", 2),
        ("floor(d)", 1),
        ("to_number(d)", "1.5"),
        ("to_string(d)", "1.5"),
    ],
)
def test_decimals_are_numbers(expression: str, expected: Any) -> None:
    from decimal import Decimal

    found = search(expression, {"d": Decimal("1.5")})
    assert (str(found) if isinstance(expected, str) else found) == expected


@pytest.mark.parametrize(
    ("expression", "found", "expected"),
    [
        ("", "an empty expression", "a JMESPath expression"),
        ("a.", "its end at column 3", "JMESPath"),
        ("a.[", "its end at column 4", "JMESPath"),
        ("a b", "'b' at column 3", "JMESPath"),
        ("a = b", "Unknown token '=' at column 3", "JMESPath"),
        ("'a", "Unclosed ' delimiter at column 1", "JMESPath"),
        ("a[::0]", "a slice with step 0", "another step"),
        ("timestmp(a)", "the unknown function timestmp()", "a known function such as timestamp()"),
        ("b[?x(a)]", "the unknown function x()", "a known function"),
        ("timestamp()", "timestamp() with 0 arguments", "1 to 2 arguments"),
        ("lower(a, b)", "lower() with 2 arguments", "1 arguments"),
        ("coalesce()", "coalesce() with 0 arguments", "1 or more arguments"),
        ("length(a, b)", "length() with 2 arguments", "1 arguments"),
        ("sort_by(a)", "sort_by() with 1 arguments", "2 arguments"),
        ("merge()", "merge() with 0 arguments", "1 or more arguments"),
    ],
)
def test_what_can_be_known_without_a_message_is_refused_at_once(expression: str, found: str, expected: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as refused:
        COMPILER.compile(expression)
    assert (refused.value.found, refused.value.expected) == (found, expected)


def test_an_expression_nested_beyond_reason_is_refused_and_not_a_crash() -> None:
    with pytest.raises(ExpressionSyntaxError):
        COMPILER.compile("(" * 100_000 + "a")


def test_a_failure_quotes_no_value() -> None:
    with pytest.raises(ValueFault) as failed:
        search("abs(secret)", {"secret": "personal"})
    assert (failed.value.found, failed.value.expected) == ("string in abs()", "number")
    with pytest.raises(ValueFault) as failed:
        search("join('', secret)", {"secret": ["a", 1]})
    assert (failed.value.found, failed.value.expected) == ("number in join()", "array-string")


def test_strings_in_backticks_by_the_rule_of_transition_pass_without_a_warning() -> None:
    assert search("a == `x`", {"a": "x"}) is True
