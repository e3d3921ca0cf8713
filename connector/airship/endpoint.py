"""From the settings to the parts that talk to Airship: the client of the endpoint, and the credentials.

Everything that can be wrong without the world outside is found here, as SettingsError.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from connector.airship.addresses import Address, endpoint_address, find_proxy, token_address
from connector.airship.auth import Credentials, RenewedToken, StaticToken, TokenFile
from connector.airship.client import HttpClient
from connector.airship.tls import client_context
from connector.errors import SettingsError
from connector.http_thread import HttpThread
from connector.settings import AirshipSettings

ACCEPT = "application/vnd.urbanairship+json; version=3"
TOKEN_SECONDS_MAX = 30.0
"""The deadline of a token request, where a request's own is not shorter."""


class Endpoint(NamedTuple):
    address: Address
    client: HttpClient
    head: bytes
    """The beginning of every request, but for the token."""
    credentials: Credentials
    token_client: HttpClient | None

    def close(self) -> None:
        self.client.close()
        if self.token_client is not None:
            self.token_client.close()


def build_endpoint(settings: AirshipSettings, http: HttpThread) -> Endpoint:
    """Opens nothing and reads no secret file: that happens with the first request. Raises SettingsError."""
    address = endpoint_address(settings)
    app_key = settings.app_key.get_secret_value()
    client = _client(settings, address, http)
    try:
        head = client.head([("Accept", ACCEPT), ("X-UA-Appkey", app_key), ("Content-Type", "application/json")])
    except ValueError as error:
        raise SettingsError([f"airship.app_key: {error}"]) from None
    credentials, token_client = _credentials(settings, app_key, http)
    return Endpoint(address, client, head, credentials, token_client)


def _client(settings: AirshipSettings, address: Address, http: HttpThread) -> HttpClient:
    return HttpClient(
        address,
        proxy=find_proxy(settings, address),
        tls=client_context(settings.ca_file) if address.tls else None,
        connect_seconds_max=settings.connect_timeout_ms / 1000,
        idle_seconds_max=settings.idle_connection_ms / 1000,
        http=http,
    )


def _credentials(settings: AirshipSettings, app_key: str, http: HttpThread) -> tuple[Credentials, HttpClient | None]:
    auth = settings.auth
    given = [auth.bearer_token is not None, auth.bearer_token_file is not None, auth.oauth is not None]
    if sum(given) != 1:
        raise SettingsError(
            [f"airship.auth: found {sum(given)} of bearer_token, bearer_token_file and oauth, expected exactly one"]
        )
    if auth.bearer_token is not None:
        return StaticToken(auth.bearer_token.get_secret_value()), None
    if auth.bearer_token_file is not None:
        return TokenFile(auth.bearer_token_file, http), None
    assert auth.oauth is not None
    token_url = token_address(settings)
    client = _client(settings, token_url, http)
    # Signing needs libraries that take a tenth of the time to the first event: only who uses them loads them.
    from connector.airship.oauth import TokenRequest

    request = TokenRequest(
        auth.oauth,
        app_key=app_key,
        token_url=settings.token_url or token_url.url,
        client=client,
        http=http,
        seconds_max=min(TOKEN_SECONDS_MAX, settings.request_timeout_ms / 1000),
    )
    return RenewedToken(request, time.monotonic), client
