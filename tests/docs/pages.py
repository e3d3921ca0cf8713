"""The pages, cut into what the tests look at: prose, links, headings, code in a line, blocks, commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "schemas").glob("*.md"),
        *(ROOT / place / "README.md" for place in ("bench", "examples", "helm/airship-connector", "tests")),
    ]
)

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}.*)?\n)+", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
_PROGRAMS = {
    *("airship-connector", "cd", "cp", "curl", "docker", "go", "helm", "install", "kafka-acls.sh"),
    *("kafka-consumer-groups.sh", "kubectl", "make", "mkdir", "python", "python3", "systemctl"),
}


class Block(NamedTuple):
    page: str
    language: str
    text: str


class Command(NamedTuple):
    page: str
    line: str

    @property
    def words(self) -> list[str]:
        """Up to a pipe or another end, without variables in front, and the program without its directory.

        What stands two blanks behind it explains it.
        """
        words = []
        for word in shlex.split(re.split(r"  | \| ", self.line)[0], comments=True):
            if word in {"&&", ";"} or word.startswith(">"):
                break
            words.append(word.rstrip(")"))
        while re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        return [words[0].lstrip("(").rpartition("/")[2], *words[1:]]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    text = text_of(page)
    name = name_of(page)
    fenced = [Block(name, language, body) for language, body in _FENCED.findall(text)]
    rest = _FENCED.sub("", text)
    indented = [re.sub(r"^ {4}", "", body, flags=re.MULTILINE).strip("\n") + "\n" for body in _INDENTED.findall(rest)]
    return [*fenced, *(Block(name, "", body) for body in indented if body.strip())]


def prose(page: Path) -> str:
    return _INDENTED.sub("\n", _FENCED.sub("", text_of(page)))


def spans(page: Path) -> list[str]:
    """Code within the prose, each on one line."""
    return [" ".join(span.split()) for span in _SPAN.findall(prose(page))]


def commands(page: Path) -> Iterator[Command]:
    """The command lines of the blocks; a transcript's commands stand behind a dollar sign."""
    for block in blocks(page):
        lines = _joined(block.text)
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        elif not _is_command(lines[0]) and not lines[0].startswith("TRACE="):
            continue
        yield from (
            Command(block.page, line) for line in lines if line and not line.startswith("#") and _is_command(line)
        )


def _joined(text: str) -> list[str]:
    """Lines, those that go on behind a backslash or a pipe in one."""
    return re.sub(r"\s*(\\|\|)\n\s*", lambda end: " | " if end[1] == "|" else " ", text).splitlines()


def _is_command(line: str) -> bool:
    found = re.match(r"\(?(?:[A-Z_]+=\S+ )*(?:[\w.-]*/)*([\w.-]+)(?: |$)", line)
    return found is not None and found[1] in _PROGRAMS


def anchors(page: Path) -> set[str]:
    """Of the headings, as the usual renderers of Markdown name them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
    return {f"{anchor}-{again}" if again else anchor for anchor, last in found.items() for again in range(last + 1)}
