"""Which letters a replay takes, and why not the others: a closed set, counted.

Looks at one letter at a time, in order. Takes one whose message the settings would accept now, unless `everything`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from connector.core.records import SourceRecord
from connector.dlq.letter import Letter, Message
from connector.dlq.memory import ReplayMemory
from connector.dlq.selection import Selection
from connector.dlq.topic import DeadLetterTopic
from connector.errors import RegistryUnavailable
from connector.preview.judge import Judge

Why: TypeAlias = Literal[
    "replayed_before",
    "newer_format",
    "other_group",
    "replays_max",
    "pointer",
    "no_origin",
    "no_such_topic",
    "would_be_skipped",
    "would_be_rejected",
]

IN_WORDS: dict[Why, str] = {
    "replayed_before": "were replayed before",
    "newer_format": "were written by a newer version in another format (use that version)",
    "other_group": "were refused by another consumer group, whose settings decide about them (--group)",
    "replays_max": "were replayed so often already (--replays-max): mend the cause first",
    "pointer": "point at a message that is not in its topic any more",
    "no_origin": "do not say which topic they came from (--origin-topic)",
    "no_such_topic": "came from a topic that does not exist any more",
    "would_be_skipped": "would be skipped by today's settings",
    "would_be_rejected": "would be rejected again by today's settings (--all takes them, too)",
}


class Chosen(NamedTuple):
    """A letter that is to be sent again."""

    letter: Letter
    message: Message


@dataclass(slots=True)
class Account:
    """What became of the letters of one replay: read = not_matching + skipped + selected."""

    read: int = 0
    not_matching: int = 0
    selected: int = 0
    skipped: Counter[Why] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    """Of those that would be rejected: by stage and reason."""
    topics: Counter[str] = field(default_factory=Counter)
    """Of those selected: where they came from."""
    replayed: int = 0
    """Written to the source topic, or accepted by the endpoint."""
    rejected_again: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "selected": self.selected,
            "replayed": self.replayed,
            "skipped": self.skipped.total(),
            "rejected_again": self.rejected_again,
            "not_matching": self.not_matching,
            "skipped_by": dict(self.skipped),
            "rejected_by": dict(self.rejections),
            "by_topic": dict(self.topics),
        }


@dataclass(frozen=True, slots=True)
class Rules:
    selection: Selection
    group: str
    """Letters of other groups are theirs, unless the selection names groups."""
    replays_max: int
    everything: bool = False
    """Those that the settings would refuse, too."""
    origin_topic: str | None = None
    to_source: bool = False
    """The topic has to be there; with `everything` even what the settings would skip goes there, for other readers."""


class Choosing:
    def __init__(
        self,
        rules: Rules,
        memory: ReplayMemory,
        judge: Judge,
        clock: Callable[[], float],
        topic: DeadLetterTopic,
    ) -> None:
        self._rules = rules
        self.memory = memory
        self._judge = judge
        self._clock = clock
        self._topic = topic
        self.account = Account()

    def choose(self, records: Sequence[SourceRecord]) -> list[Chosen]:
        """Raises RegistryUnavailable: what cannot be judged is left for the next replay."""
        chosen = []
        for place, record in enumerate(records):
            letter = Letter(record)
            try:
                judged = self._judged(letter)
            except RegistryUnavailable:
                for unread in records[place:]:
                    self.memory.left(Letter(unread).position)
                raise
            self.account.read += 1
            if isinstance(judged, Message):
                self.account.selected += 1
                self.account.topics[judged.topic()] += 1
                self.memory.chose(letter.position)
                chosen.append(Chosen(letter, judged))
            elif judged != "replayed_before":
                self.memory.left(letter.position)
        return chosen

    def _judged(self, letter: Letter) -> Message | Why | None:
        """The message to send, or why it is left; None: it does not match the filters."""
        if not self._rules.selection.matches(letter):
            self.account.not_matching += 1
            return None
        found = self._message(letter)
        if not isinstance(found, Message):
            self.account.skipped[found] += 1
        return found

    def _message(self, letter: Letter) -> Message | Why:
        rules, facts = self._rules, letter.facts
        if letter.position in self.memory.ledger:
            return "replayed_before"
        if letter.is_newer:
            return "newer_format"
        if (
            not rules.selection.groups
            and facts.group not in {None, rules.group}
            and facts.writer == "airship-connector"
        ):
            return "other_group"
        if letter.replays >= rules.replays_max:
            return "replays_max"
        original = self._topic.pointed_at(letter) if letter.is_pointer else None
        if letter.is_pointer and original is None:
            return "pointer"
        message = Message(letter, rules.origin_topic, original)
        if not message.topic():
            return "no_origin"
        if rules.to_source and not self._topic.exists(message.topic()):
            return "no_such_topic"
        return self._verdict(message) or message

    def _verdict(self, message: Message) -> Why | None:
        rules = self._rules
        if rules.everything and rules.to_source:
            return None
        judgement = self._judge.judge(message.topic(), message, self._clock())
        if judgement.outcome == "skip":
            return "would_be_skipped"
        if judgement.outcome == "reject" and not rules.everything:
            assert judgement.reject is not None
            self.account.rejections[f"{judgement.reject.stage}, {judgement.reject.reason}"] += 1
            return "would_be_rejected"
        return None
