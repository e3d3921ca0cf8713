"""How a file of text holds its messages: one a line, or JSON over several lines, or an array.

Lines are told by the first one: when it is a whole JSON text, so are the others, each as long as its line, and what is
broken among them is one message's own fault. Otherwise the whole is read: one JSON document after the other (as `jq`
writes them), or one array, whose items are the messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple

import msgspec

MESSAGE_BYTES_MAX = 100_000_000
"""Of one line, and of a file that is read as a whole; no broker is asked for more (kafka/properties.py)."""

_MARK = b"\xef\xbb\xbf"


class Text(NamedTuple):
    place: str
    """`:3` for a line, `[3]` for an item."""
    text: bytes


class UnreadableFile(ValueError):
    """Where, what was found and expected; does not leave this package."""


def texts(stream: BinaryIO, *, split_arrays: bool | None) -> Iterator[Text]:
    """The texts of messages, without empty lines. `split_arrays`: an array is its items; None: one over several lines.

    Raises UnreadableFile.
    """
    lines = _lines(stream)
    first = next(lines, None)
    if first is None:
        return iter(())
    if split_arrays or not _is_json(first.text):
        return _of_whole(first, lines, split_arrays=split_arrays)
    return chain([first], lines)


def _lines(stream: BinaryIO) -> Iterator[Text]:
    number = 0
    while line := stream.readline(MESSAGE_BYTES_MAX + 1):
        number += 1
        if len(line) > MESSAGE_BYTES_MAX:
            raise UnreadableFile(f":{number}: found a line of more than {MESSAGE_BYTES_MAX} bytes, expected a message")
        text = line.removeprefix(_MARK) if number == 1 else line
        text = text.rstrip(b"\r\n")
        if text.strip():
            yield Text(f":{number}", text)


def _of_whole(first: Text, lines: Iterator[Text], *, split_arrays: bool | None) -> Iterator[Text]:
    rest: list[Text] = []
    size = len(first.text)
    for line in lines:
        rest.append(line)
        size += len(line.text) + 1
        if size > MESSAGE_BYTES_MAX:
            raise UnreadableFile(f": found more than {MESSAGE_BYTES_MAX} bytes, expected a message on each line")
    every = [first, *rest]
    if (not rest and not split_arrays) or first.text.lstrip()[:1] not in (b"{", b"["):
        return iter(every)  # what is not JSON at all is for the decoder to refuse, message by message
    found = _documents(every)
    if isinstance(found, UnreadableFile):
        if not split_arrays and any(line.text[:1] in (b"{", b"[") and _is_json(line.text) for line in rest):
            return iter(every)  # lines, of which the first is broken
        raise found
    if split_arrays or (split_arrays is None and len(found) == 1 and found[0].text[:1] == b"["):
        return _items(found)
    return iter(found)


def _documents(lines: list[Text]) -> list[Text] | UnreadableFile:
    """The JSON texts that follow each other, each with the line where it begins."""
    numbers = [line.place for line in lines]
    try:
        whole = b"\n".join(line.text for line in lines).decode()
    except UnicodeDecodeError as error:
        return UnreadableFile(f": found bytes that are not UTF-8 ({error.reason}), expected JSON")
    decoder = json.JSONDecoder()
    found: list[Text] = []
    at = 0
    while at < len(whole):
        try:
            _, end = decoder.raw_decode(whole, at)
        except json.JSONDecodeError as error:
            place = numbers[error.lineno - 1]
            return UnreadableFile(f"{place}: found no JSON ({error.msg}, column {error.colno}), expected a JSON text")
        except (ValueError, RecursionError) as error:  # digits beyond Python's limit, too deep
            return UnreadableFile(f": found no readable JSON ({type(error).__name__}), expected a JSON text")
        found.append(Text(numbers[whole.count("\n", 0, at)], whole[at:end].encode()))
        at = end
        while at < len(whole) and whole[at] in " \t\r\n":
            at += 1
    return found


def _items(documents: list[Text]) -> Iterator[Text]:
    number = 0
    for place, document in documents:
        try:
            items = msgspec.json.decode(document, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            raise UnreadableFile(f"{place}: found no array of JSON texts ({error}), expected one") from None
        for item in items:
            yield Text(f"[{number}]", bytes(item))
            number += 1


def _is_json(text: bytes) -> bool:
    """One whole text, strictly or not: a line with NaN in it is a line."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
