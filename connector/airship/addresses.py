"""Where requests go: the addresses of the endpoint and of the token URL, and the proxy on the way.

Pure, except that `find_proxy` reads the environment. Faults are the settings' faults, found before anything starts.
"""

from __future__ import annotations

import base64
import urllib.request
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from connector.errors import SettingsError
from connector.settings import AirshipSettings

EVENTS_PATH = "/api/custom-events"
"""Without a trailing slash, as the documentation writes it."""

BEARER_BASE_URLS = {"us": "https://go.urbanairship.com", "eu": "https://go.airship.eu"}
OAUTH_BASE_URLS = {"us": "https://api.asnapius.com", "eu": "https://api.asnapieu.com"}
TOKEN_URLS = {"us": "https://oauth2.asnapius.com/token", "eu": "https://oauth2.asnapieu.com/token"}

DEFAULT_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """A URL in the parts that a request needs. `path` is what the request line names."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the header `Host` says: no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


class Proxy(NamedTuple):
    """An HTTP proxy. `authorization` is a secret: it is in no text of this value."""

    host: str
    port: int
    authorization: str | None

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def endpoint_address(settings: AirshipSettings) -> Address:
    """`base_url` wins; else the region's, which differs between bearer tokens and OAuth."""
    if settings.base_url is not None:
        base = parse_address(settings.base_url, "airship.base_url")
    else:
        table = BEARER_BASE_URLS if settings.auth.oauth is None else OAUTH_BASE_URLS
        base = parse_address(table[settings.region], "airship.region")
    path = base.path.rstrip("/")
    if path.endswith(EVENTS_PATH):
        raise SettingsError([f"airship.base_url: found {EVENTS_PATH} at the end, expected the address before it"])
    return base._replace(path=path + EVENTS_PATH)


def token_address(settings: AirshipSettings) -> Address:
    if settings.token_url is not None:
        return parse_address(settings.token_url, "airship.token_url")
    return parse_address(TOKEN_URLS[settings.region], "airship.region")


def parse_address(text: str, key: str) -> Address:
    """Raises SettingsError that names `key`. The text itself is not quoted: it may hold a password."""
    parts, port = _split(text, key)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise SettingsError(
            [f"{key}: found no http or https address, expected one such as https://go.urbanairship.com"]
        )
    for what, found in (("a query", parts.query), ("a fragment", parts.fragment), ("a user", "@" in parts.netloc)):
        if found:
            raise SettingsError([f"{key}: found {what} in the address, expected scheme, host, port and path alone"])
    path = parts.path or "/"
    if not path.isascii() or any(character <= " " or character == "\x7f" for character in path):
        raise SettingsError([f"{key}: found a character in the path that must be percent-encoded"])
    return Address(parts.scheme, _host(parts.hostname, key), port or DEFAULT_PORTS[parts.scheme], path)


def find_proxy(settings: AirshipSettings, target: Address) -> Proxy | None:
    """The setting wins, for every target; else HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, less what NO_PROXY names."""
    if settings.proxy is not None:
        return parse_proxy(settings.proxy, "airship.proxy")
    found = urllib.request.getproxies_environment()
    text = found.get(target.scheme) or found.get("all")
    if not text or urllib.request.proxy_bypass(f"{target.host}:{target.port}"):
        return None
    return parse_proxy(text, f"{target.scheme.upper()}_PROXY")


def parse_proxy(text: str, key: str) -> Proxy:
    parts, port = _split(text if "://" in text else f"http://{text}", key)
    if parts.scheme != "http" or not parts.hostname:
        raise SettingsError([f"{key}: found no address of an HTTP proxy, expected http://host:port"])
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(_host(parts.hostname, key), port or DEFAULT_PORTS["http"], authorization)


def _split(text: str, key: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise SettingsError([f"{key}: found an unreadable address, expected scheme://host:port/path"]) from None
    return parts, port


def _host(text: str, key: str) -> str:
    try:
        host = text if ":" in text else text.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not host or any(character <= " " or character in '/\\"<>%' for character in host):
        raise SettingsError([f"{key}: found a host name that is none"])
    return host
