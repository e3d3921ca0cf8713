"""Replay to the endpoint: the job's own life and engine, reading chosen letters in the place of topics.

So an answer has the same outcome as in `run`, and a refused event the same isolation. What is refused again goes to the
dead letters with the attempts of both times, its first origin, and one more replay.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.app import App, StopSignals
from connector.decode.schema_cache import SchemaCache
from connector.dlq.again import UnwrappingIntake
from connector.dlq.choosing import Choosing
from connector.dlq.letter_source import LetterSource
from connector.dlq.remembering import RememberingProducer
from connector.errors import StartError
from connector.intake import Intake, Prepares
from connector.kafka.source import RecordSource
from connector.kafka.topic_reader import TopicReader
from connector.settings import AdminSettings, RateLimitSettings, Settings


def settings_of_replay(settings: Settings, rate: float | None) -> Settings:
    """Its own rate, and an admin port of its own beside that of the job."""
    delivery = settings.delivery
    if rate is not None:
        delivery = delivery.model_copy(update={"rate_limit": RateLimitSettings(events_per_second=rate)})
    return settings.model_copy(update={"delivery": delivery, "admin": AdminSettings(host="127.0.0.1", port=0)})


class Replay(App):
    def __init__(
        self,
        settings: Settings,
        reader: TopicReader,
        choosing: Choosing,
        producer: RememberingProducer,
        rate: float | None = None,
    ) -> None:
        super().__init__(settings_of_replay(settings, rate), stop_at_end=True)
        self._letters = LetterSource(reader, choosing, producer, self.loop)
        self._account = choosing.account

    def replay(self, stop: StopSignals, on_progress: Callable[[], None]) -> None:
        """Until the end, or until it is stopped: what is in flight is waited for, and marked.

        Raises StartError when so many are refused again that the guard against floods stops it, and
        RegistryUnavailable when letters cannot be judged.
        """
        cannot_go_on = False

        def on_tick() -> None:
            nonlocal cannot_go_on
            self._count()
            on_progress()
            if not cannot_go_on and (self.loop.engine.guard_tripped or self._letters.failure is not None):
                cannot_go_on = True
                stop.received += 1  # a drain as after a signal

        try:
            self.run(stop, on_tick)
        finally:
            self._count()
        if self._letters.failure is not None:
            raise self._letters.failure
        if cannot_go_on:
            raise StartError(
                "stopped: too many are refused again, so the cause is not mended (the limits are "
                "dead_letters.rejects_share_max and rejects_run_max)"
            )

    def _count(self) -> None:
        if hasattr(self.loop, "dead_letters"):
            self._account.rejected_again = self.loop.dead_letters.written
        self._account.replayed = max(0, self._letters.settled - self._account.rejected_again)

    @property
    def trouble(self) -> str | None:
        """What keeps it from sending."""
        snapshot = self.telemetry.telemetry.latest
        if snapshot is None:
            return None
        if snapshot.troubles:
            return f"{snapshot.troubles[0].reason}: {snapshot.troubles[0].detail}"
        return snapshot.breaker.reason if snapshot.breaker.state == "open" else None

    def _intake(self, settings: Settings, cache: SchemaCache) -> Prepares:
        return UnwrappingIntake(Intake(settings, cache))

    def _source(self) -> RecordSource:
        self._letters.start()
        return self._letters

    def _share_of_the_group(self) -> float:
        return 1.0
