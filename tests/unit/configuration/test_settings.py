"""What the settings themselves work out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.settings import BROKER_SESSION_TIMEOUT_MS, Settings
from tests.unit.configuration.documents import changed, loaded


@pytest.mark.parametrize(
    ("protocol", "session_ms", "poll_ms", "drain_ms", "seconds"),
    [
        ("classic", 15_000, 300_000, 20_000, 7.5),
        ("classic", 60_000, 300_000, 20_000, 20.0),
        ("classic", 60_000, 60_000, 25_000, 20.0),
        ("classic", 60_000, 300_000, 0, 0.0),
        ("consumer", None, 300_000, 60_000, BROKER_SESSION_TIMEOUT_MS / 2000),
        ("consumer", None, 30_000, 60_000, 10.0),
    ],
)
def test_the_drain_ends_before_the_group_gives_the_member_up(
    protocol: str, session_ms: int | None, poll_ms: int, drain_ms: int, seconds: float, tmp_path: Path
) -> None:
    document = changed(kafka__group_protocol=protocol, kafka__max_poll_interval_ms=poll_ms, delivery__drain_ms=drain_ms)
    if session_ms is not None:
        document["kafka"]["session_timeout_ms"] = session_ms
    assert loaded(document, tmp_path).drain_seconds == seconds


@given(st.integers(1_000, 10**6), st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_drain_is_never_longer_than_one_of_its_bounds(session_ms: int, more_ms: int, drain_ms: int) -> None:
    kafka = {"session_timeout_ms": session_ms, "max_poll_interval_ms": session_ms + more_ms}
    document = changed(delivery={"drain_ms": drain_ms})
    document["kafka"] |= kafka
    settings = Settings.model_validate(document)
    bounds = (drain_ms, session_ms / 2, (session_ms + more_ms) / 3)
    assert all(settings.drain_seconds * 1000 <= bound * 1.000_001 for bound in bounds)
    assert any(settings.drain_seconds * 1000 == pytest.approx(bound) for bound in bounds)


def test_settings_do_not_change_while_the_job_runs(tmp_path: Path) -> None:
    settings = loaded(changed(), tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.group_id = "other"  # type: ignore[misc]
