from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.mapping.faults import ExpressionSyntaxError
from connector.mapping.template_text import Source, split


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("plain", ["plain"]),
        ("${{ a.b }}", [Source("a.b")]),
        ("${{a}}", [Source("a")]),
        ("shop/${{ id }}", ["shop/", Source("id")]),
        ("${{ a }}-${{ b }}!", [Source("a"), "-", Source("b"), "!"]),
        ("${{ a }}${{ b }}", [Source("a"), Source("b")]),
        ("${{ {x: {y: a}} }}", [Source("{x: {y: a}}")]),
        ("${{ {x: {y: a}}}}", [Source("{x: {y: a}}")]),
        ("${{ '}}' }}", [Source("'}}'")]),
        (r"${{ 'it\'s }}' }}", [Source(r"'it\'s }}'")]),
        ('${{ "}}" }}', [Source('"}}"')]),
        ('${{ `{"a": "}}"}` }}', [Source('`{"a": "}}"}`')]),
        ("$${{ a }}", ["${{ a }}"]),
        ("costs $${{ and ${{ a }}", ["costs ${{ and ", Source("a")]),
        ("$ {{ a }} ${ a }", ["$ {{ a }} ${ a }"]),
        ("}} ${{ a }} }}", ["}} ", Source("a"), " }}"]),
    ],
)
def test_where_expressions_begin_and_end(text: str, pieces: list[str | Source]) -> None:
    found = split(text)
    assert found == pieces
    assert [type(piece) for piece in found] == [type(piece) for piece in pieces]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("${{ a", "${{ without its end"),
        ("${{ a }", "${{ without its end"),
        ("${{ {a: b }}", "${{ without its end"),
        ("${{ 'a }}", "a ' without its end"),
        ("x ${{ `a }}", "a ` without its end"),
    ],
)
def test_an_end_that_is_missing(text: str, found: str) -> None:
    with pytest.raises(ExpressionSyntaxError) as refused:
        split(text)
    assert refused.value.found == found


@given(st.text("${} a'\"`\\", max_size=20))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        pieces = split(text)
    except ExpressionSyntaxError:
        return
    if not any(isinstance(piece, Source) for piece in pieces):
        assert "".join(map(str, pieces)) == text.replace("$${{", "${{")
