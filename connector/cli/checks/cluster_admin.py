"""What an ordinary client can ask a Kafka cluster, each question under a deadline, and why it was not answered.

The reason of a failed connection is in none of the answers (they say "transport failure"): librdkafka tells it to the
error callback. The most telling one is kept.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

Answer = TypeVar("Answer")

# From the most telling to the least.
_TELLING = (
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError._RESOLVE,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
)
_NOT_YET = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
_PIECE_SECONDS = 0.5
_AGAIN_SECONDS = 0.2

_SILENT = logging.getLogger("connector.check.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Refused(NamedTuple):
    """A question without an answer."""

    code: int | None
    """The client's or the broker's; None when the deadline came first."""
    said: str


class ClusterAdmin:
    """Asks with the connection's properties. Every method waits at most `seconds`."""

    def __init__(self, properties: Mapping[str, Any], seconds: float) -> None:
        self._seconds = seconds
        self._errors: dict[int, str] = {}
        told: dict[str, Any] = {"error_cb": self._on_error}
        self._admin = AdminClient({**properties, **told}, logger=_SILENT)

    def metadata(self) -> Any | Refused:
        """Brokers and topics. Ends early when the broker refused the client: waiting would not help."""
        until = time.monotonic() + self._seconds
        while True:
            try:
                return self._admin.list_topics(timeout=min(_PIECE_SECONDS, max(0.01, until - time.monotonic())))
            except KafkaException as error:
                refused = _refused(error)
            self._admin.poll(0)
            reason = self.reason()
            final = reason is not None and reason.code in {KafkaError._AUTHENTICATION, KafkaError._SSL}
            if final or time.monotonic() >= until:
                return reason or refused

    def reason(self) -> Refused | None:
        """Why connections fail, as far as they told."""
        for code in _TELLING:
            if code in self._errors:
                return Refused(code, self._errors[code])
        return None

    def forget_reasons(self) -> None:
        self._errors.clear()

    def topics(self, names: Iterable[str]) -> dict[str, Any | Refused]:
        """Descriptions with the operations that this client may do."""
        asked = list(names)
        if not asked:
            return {}
        futures = self._admin.describe_topics(
            TopicCollection(asked), include_authorized_operations=True, request_timeout=self._seconds
        )
        return {name: self._answer(future) for name, future in futures.items()}

    def group(self, name: str) -> Any | Refused:
        """A group with the operations; asked again while its coordinator is being found."""
        return self._until_known(
            lambda: self._admin.describe_consumer_groups(
                [name], include_authorized_operations=True, request_timeout=self._seconds
            )[name]
        )

    def cluster_operations(self) -> list[Any] | None:
        """What this client may do to the cluster as a whole; None where it is not told."""
        answer = self._answer(
            self._admin.describe_cluster(include_authorized_operations=True, request_timeout=self._seconds)
        )
        return None if isinstance(answer, Refused) else answer.authorized_operations

    def topic_settings(self, topic: str) -> dict[str, str] | None:
        return self._settings_of(ConfigResource(ResourceType.TOPIC, topic))

    def broker_settings(self, broker_id: int) -> dict[str, str] | None:
        return self._settings_of(ConfigResource(ResourceType.BROKER, str(broker_id)))

    def _settings_of(self, resource: Any) -> dict[str, str] | None:
        """None where this client may not ask."""
        answer = self._answer(self._admin.describe_configs([resource], request_timeout=self._seconds)[resource])
        if isinstance(answer, Refused):
            return None
        return {name: entry.value for name, entry in answer.items() if entry.value is not None}

    def _until_known(self, ask: Callable[[], Future[Answer]]) -> Answer | Refused:
        until = time.monotonic() + self._seconds
        while True:
            answer = self._answer(ask())
            waits = isinstance(answer, Refused) and answer.code in _NOT_YET
            if not waits or time.monotonic() >= until:
                return answer
            time.sleep(_AGAIN_SECONDS)

    def _answer(self, future: Future[Answer]) -> Answer | Refused:
        try:
            return future.result(self._seconds + 1)
        except KafkaException as error:
            return _refused(error)
        except TimeoutError:
            return Refused(None, f"no answer within {self._seconds:g} s")

    def _on_error(self, error: KafkaError) -> None:
        said = re.sub(r" \(after \d+ms in state [A-Z_]+(, \d+ identical error\(s\) suppressed)?\)", "", error.str())
        # "ssl://kafka:9093/bootstrap: " says which connection; the address is in what follows or in the settings.
        self._errors.setdefault(error.code(), re.sub(r"^(\w+://)?[^\s/]+/\w+: ", "", said))


def _refused(error: KafkaException) -> Refused:
    fault = error.args[0]
    return Refused(fault.code(), fault.str())
