"""Colour is for terminals; a file gets plain lines."""

from __future__ import annotations

import io

import pytest

from connector.cli.output import colours, print_error


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_gets_colour_and_a_file_none() -> None:
    terminal, file = Terminal(), io.StringIO()
    print_error("wrong", terminal)
    print_error("wrong", file)
    assert terminal.getvalue() == "\x1b[31m\x1b[1merror:\x1b[0m wrong\n"
    assert file.getvalue() == "error: wrong\n"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_may_want_none(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert colours(Terminal())
    monkeypatch.setenv(variable, value)
    assert not colours(Terminal())


def test_an_error_without_a_word_still_says_that_it_is_one() -> None:
    file = io.StringIO()
    print_error("", file)
    assert file.getvalue() == "error: no reason given\n"
