"""Where the expressions stand in a text of a template: `shop/${{ order_id }}`."""

from __future__ import annotations

from typing import NamedTuple

from connector.mapping.faults import ExpressionSyntaxError

OPEN = "${{"
_ESCAPED_OPEN = "$${{"
"""Stands for the three characters themselves."""


class Source(NamedTuple):
    """The text of an expression, as opposed to a literal piece of text."""

    text: str


def split(text: str) -> list[str | Source]:
    """The pieces in their order; empty pieces are left out. Raises ExpressionSyntaxError."""
    pieces: list[str | Source] = []
    literal = ""
    at = 0
    while (found := text.find(OPEN, at)) >= 0:
        if text[found - 1 : found + len(OPEN)] == _ESCAPED_OPEN:
            literal += text[at : found - 1] + OPEN
            at = found + len(OPEN)
            continue
        literal += text[at:found]
        if literal:
            pieces.append(literal)
            literal = ""
        start = found + len(OPEN)
        end = _end(text, start)
        pieces.append(Source(text[start:end].strip()))
        at = end + 2
    literal += text[at:]
    if literal:
        pieces.append(literal)
    return pieces


def _end(text: str, start: int) -> int:
    """Where the `}}` begins that closes the expression: not one in quotes, nor one of the expression's own braces."""
    depth = 0
    at = start
    while at < len(text):
        character = text[at]
        if character in "'\"`":
            at = _quote_end(text, at)
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0 and text.startswith("}}", at):
                return at
            depth -= 1
        at += 1
    raise ExpressionSyntaxError(f"{OPEN} without its end", "}} behind the expression")


def _quote_end(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == text[start]:
            return at
        at += 1
    raise ExpressionSyntaxError(f"a {text[start]} without its end", f"another {text[start]}")


def bare(text: str) -> str:
    """The expression itself: the marks of a template around it do no harm. Raises ExpressionSyntaxError."""
    if not text.lstrip().startswith(OPEN):
        return text
    match split(text.strip()):
        case [Source(inner)]:
            return inner
        case _:
            raise ExpressionSyntaxError("more than one expression", "one expression")
