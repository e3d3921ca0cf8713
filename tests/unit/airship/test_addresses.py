"""Settings to addresses: regions, what is refused, proxies."""

from __future__ import annotations

import pytest

from connector.airship.addresses import (
    Address,
    Proxy,
    endpoint_address,
    find_proxy,
    parse_address,
    parse_proxy,
    token_address,
)
from connector.airship.endpoint import build_endpoint
from connector.errors import SettingsError
from connector.http_thread import HttpThread
from connector.settings import AirshipSettings

BEARER = {"bearer_token": "abc"}
OAUTH = {"oauth": {"client_id": "c", "client_secret": "s"}}


def settings(**fields: object) -> AirshipSettings:
    return AirshipSettings.model_validate({"app_key": "k", "auth": BEARER} | fields)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"region": "us", "auth": BEARER}, "https://go.urbanairship.com/api/custom-events"),
        ({"region": "eu", "auth": BEARER}, "https://go.airship.eu/api/custom-events"),
        ({"region": "us", "auth": {"bearer_token_file": "f"}}, "https://go.urbanairship.com/api/custom-events"),
        ({"region": "us", "auth": OAUTH}, "https://api.asnapius.com/api/custom-events"),
        ({"region": "eu", "auth": OAUTH}, "https://api.asnapieu.com/api/custom-events"),
        ({"region": "eu", "base_url": "http://sandbox:8081/"}, "http://sandbox:8081/api/custom-events"),
        ({"base_url": "HTTPS://Example.COM:443/a/b//"}, "https://example.com/a/b/api/custom-events"),
        ({"base_url": "http://[::1]:80"}, "http://[::1]/api/custom-events"),
        ({"base_url": "http://[::1]:81"}, "http://[::1]:81/api/custom-events"),
        ({"base_url": "https://b\u00fccher.example"}, "https://xn--bcher-kva.example/api/custom-events"),
    ],
)
def test_the_endpoint(fields: dict[str, object], url: str) -> None:
    assert endpoint_address(settings(**fields)).url == url


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"region": "us"}, "https://oauth2.asnapius.com/token"),
        ({"region": "eu"}, "https://oauth2.asnapieu.com/token"),
        ({"region": "eu", "token_url": "http://h:1/t"}, "http://h:1/t"),
        ({"region": "eu", "base_url": "http://sandbox"}, "https://oauth2.asnapieu.com/token"),
    ],
)
def test_the_token_url(fields: dict[str, object], url: str) -> None:
    assert token_address(settings(auth=OAUTH, **fields)).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "go.urbanairship.com",
        "ftp://host",
        "https://",
        "https:///path",
        "https://user:pass@host",
        "https://host?key=x",
        "https://host/#part",
        "https://host:99999",
        "https://host:port",
        "https://ho st",
        "https://host/a b",
        "https://host/\u00e4",
        "https://[::1",
        "https://" + "a" * 70 + ".example",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^airship\.base_url: found .*") as caught:
        parse_address(text, "airship.base_url")
    assert "pass" not in str(caught.value)


def test_the_whole_url_is_not_a_base_url() -> None:
    with pytest.raises(SettingsError, match="the address before it"):
        endpoint_address(settings(base_url="https://go.airship.eu/api/custom-events/"))


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128, None)),
        ("http://proxy", Proxy("proxy", 80, None)),
        ("proxy:3128", Proxy("proxy", 3128, None)),
        ("http://u:p%40@[::1]:1/", Proxy("::1", 1, "Basic dTpwQA==")),
        ("http://u@proxy:1", Proxy("proxy", 1, "Basic dTo=")),
    ],
)
def test_proxies(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text, "airship.proxy") == proxy
    assert "Basic" not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize("text", ["", "socks5://proxy:1080", "https://proxy:1", "http://", "http://proxy:x"])
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^airship\.proxy: found"):
        parse_proxy(text, "airship.proxy")


def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "all_proxy", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    target = Address("https", "go.airship.eu", 443, "/")
    monkeypatch.setenv("HTTPS_PROXY", "http://by-environment:1")
    assert find_proxy(settings(), target) == Proxy("by-environment", 1, None)
    assert find_proxy(settings(), target._replace(scheme="http")) is None
    monkeypatch.setenv("NO_PROXY", ".airship.eu")
    assert find_proxy(settings(), target) is None
    assert find_proxy(settings(proxy="http://by-setting:2"), target) == Proxy("by-setting", 2, None)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://x:1")
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY: "):
        find_proxy(settings(), target)


@pytest.mark.parametrize("auth", [{}, BEARER | OAUTH, BEARER | {"bearer_token_file": "f"}])
def test_exactly_one_kind_of_credentials(auth: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"^airship\.auth: .*exactly one"):
        build_endpoint(settings(auth=auth), HttpThread())


@pytest.mark.parametrize("app_key", ["two\nlines", "umlaut-\u00e4"])
def test_an_app_key_that_no_header_may_contain(app_key: str) -> None:
    with pytest.raises(SettingsError, match=r"^airship\.app_key: ") as caught:
        build_endpoint(settings(app_key=app_key), HttpThread())
    assert app_key not in str(caught.value)
