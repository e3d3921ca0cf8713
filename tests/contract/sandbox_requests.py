"""What the tests of the sandbox send: the headers of the contract, an event of its smallest form, the seed example."""

from __future__ import annotations

import json
from typing import Any

import httpx

from connector.airship.sandbox import EXAMPLE_APP_KEY, RunningSandbox, Sandbox

HEADERS = {
    "Authorization": "Bearer any-token",
    "X-UA-Appkey": EXAMPLE_APP_KEY,
    "Accept": "application/vnd.urbanairship+json; version=3",
    "Content-Type": "application/json",
}

SEED = """[{"occurred": "2020-05-02T02:31:22",
  "user": {"named_user_id": "hugh.manbeing"},
  "body": {"name": "purchased", "value": 239.85,
           "transaction": "886f53d4-3e0f-46d7-930e-c2792dac6e0a",
           "interaction_id": "your.store/us/en_us/pd/shoe/pid-11046546/pgid-10978234",
           "interaction_type": "url",
           "properties": {"description": "Sneaker purchase", "brand": "Victory Sneakers",
                          "colors": ["red", "blue"],
                          "items": [{"text": "New Line Sneakers", "price": "$ 79.95"},
                                    {"text": "Old Line Sneakers", "price": "$ 79.95"},
                                    {"text": "Blue Line Sneakers", "price": "$ 79.95"}],
                          "name": "Hugh Manbeing",
                          "userLocation": {"state": "CO", "zip": "80202"}},
           "session_id": "22404b07-3f8f-4e42-a4ff-a996c18fa9f1"}}]"""


def client_of(sandbox: Sandbox | RunningSandbox, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=sandbox.base_url, headers={**HEADERS, **headers}, timeout=20, trust_env=False)


def event(name: str = "purchased", **properties: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name}
    if properties:
        body["properties"] = properties
    return {"user": {"named_user_id": "hugh.manbeing"}, "body": body}


def post(client: httpx.Client, events: Any, path: str = "/api/custom-events") -> httpx.Response:
    content = events if isinstance(events, bytes | str) else json.dumps(events)
    return client.post(path, content=content)
