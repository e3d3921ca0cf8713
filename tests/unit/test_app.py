"""The order in which a run begins."""

from __future__ import annotations

import pytest

from connector.app import App, StopSignals
from connector.core.snapshot import Snapshot
from connector.errors import StartError
from connector.settings import Settings


def test_there_is_something_to_show_before_the_admin_pages_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(
        Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": "127.0.0.1:9", "group_id": "shop"},
                "airship": {
                    "base_url": "http://127.0.0.1:9",
                    "app_key": "test-app-key-000000000",
                    "auth": {"bearer_token": "test-token"},
                },
                "routes": [{"topics": ["orders"]}],
            }
        )
    )
    shown: list[Snapshot | None] = []

    async def start() -> int:
        shown.append(app.telemetry.telemetry.latest)
        raise StartError("the address is taken")

    monkeypatch.setattr(app.admin, "start", start)
    with pytest.raises(StartError, match="the address is taken"):
        app.run(StopSignals())
    (first,) = shown
    assert first is not None
    assert first.phase == "starting"
