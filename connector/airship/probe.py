"""Does the endpoint answer, and does it take the token? For `check`, without the job."""

from __future__ import annotations

import queue
from typing import NamedTuple

from connector.airship.sender import Answered, Sender
from connector.core.records import Answer
from connector.http_thread import HttpThread
from connector.settings import AirshipSettings

BODY = b"[]"
"""An array without events: it can never count as one. The contract asks for 1 to 100, so the expected answer to good
credentials is a 400; 401 and 403 speak of the credentials, and come first."""
STOP_SECONDS_MAX = 1.0


class Probed(NamedTuple):
    url: str
    answer: Answer
    """With the endpoint's own clock in `date`."""
    seconds: float


def probe(settings: AirshipSettings, seconds_max: float = 15.0) -> Probed:
    """One POST of an empty array, within `seconds_max`. Raises SettingsError."""
    limited = settings.model_copy(
        update={"request_timeout_ms": max(1, min(settings.request_timeout_ms, int(seconds_max * 1000)))}
    )
    http = HttpThread("probe")
    answers: queue.SimpleQueue[Answered] = queue.SimpleQueue()
    sender = Sender(limited, 1, http, answers)
    http.start()
    try:
        sender.start()
        sender.send(1, BODY)
        sender.stop(seconds_max + STOP_SECONDS_MAX)
        http.raise_if_failed()
        answered = answers.get_nowait()
    finally:
        http.stop(STOP_SECONDS_MAX)
    return Probed(sender.address.url, answered.answer, answered.seconds)
