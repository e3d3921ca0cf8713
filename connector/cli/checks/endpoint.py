"""Airship: is it reached, does it take the token, do the clocks agree?

An empty array is posted: no event, so none counts. The contract wants one to a hundred, so an endpoint that took the
credentials answers 400; 401 and 403 speak of the credentials and come first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import assert_never

from connector.airship.probe import Probed, probe
from connector.cli.checks.findings import Finding, fail, ok, skip, warn
from connector.core.records import CredentialsRefused, HttpAnswer, TransportFault
from connector.errors import SettingsError
from connector.settings import Settings


def check_endpoint(settings: Settings, seconds: float, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    try:
        probed = probe(settings.airship, seconds)
    except SettingsError as error:
        yield from (fail("endpoint", fault, "correct the setting that it names") for fault in error.faults)
        return
    yield judged(settings, probed)
    yield clocks(settings, probed, now())


def judged(settings: Settings, probed: Probed) -> Finding:
    """What the answer to the empty array says."""
    match probed.answer:
        case HttpAnswer() as answer:
            return _of_status(settings, probed, answer.status)
        case CredentialsRefused(detail):
            return fail("credentials", detail, _credentials(settings))
        case TransportFault(kind, detail):
            return fail("endpoint", f"{probed.url} does not answer: {detail}", _network(kind))
        case other:
            assert_never(other)


def _of_status(settings: Settings, probed: Probed, status: int) -> Finding:
    url, took = probed.url, f"{probed.seconds * 1000:.0f} ms"
    if status in {200, 400, 422}:
        return ok("endpoint", f"{url} took the credentials (an empty array was answered {status} in {took})")
    if status == 401:
        return fail("credentials", f"{url} refused the token (401)", _credentials(settings))
    if status == 403:
        return fail(
            "credentials",
            f"{url} took the token, but it may not send Custom Events (403)",
            "give the token the scope `evt`, and the project the entitlement to Custom Events",
        )
    if status in {408, 425, 429} or (status >= 500 and status != 501):
        return warn("endpoint", f"{url} is reached, but has trouble now ({status})", "none: the job waits and retries")
    return fail(
        "endpoint",
        f"{url} answered {status}: that is not the Custom Events endpoint",
        "correct airship.base_url (or leave it out and name the region)",
    )


def _credentials(settings: Settings) -> str:
    auth = settings.airship.auth
    if auth.oauth is not None:
        return "correct airship.auth.oauth and airship.app_key"
    name = "bearer_token_file" if auth.bearer_token_file is not None else "bearer_token"
    return f"correct airship.auth.{name} and airship.app_key: both have to be of this project and region"


def _network(kind: str) -> str:
    match kind:
        case "tls":
            return (
                "name the authority that signed its certificate (airship.ca_file), or look for a proxy that intercepts"
            )
        case "credentials_unavailable":
            return "look at the token endpoint or at the token's file, and at the network between"
        case _:
            return "look at the address, and at the network between: firewall, NetworkPolicy, airship.proxy"


def clocks(settings: Settings, probed: Probed, now: float) -> Finding:
    """`now` is the time when the answer was there."""
    answer = probed.answer
    if not isinstance(answer, HttpAnswer) or answer.date is None:
        return skip("clocks", "not compared: no answer with a date")
    try:
        theirs = parsedate_to_datetime(answer.date).timestamp()
    except ValueError:
        return skip("clocks", "not compared: the answer's date is not readable")
    # The date has no fraction and was written before the answer came: up to a second more is no difference.
    ahead = now - theirs
    if -1 <= ahead <= 2 + probed.seconds:
        return ok("clocks", "this machine's and the endpoint's agree")
    which = "ahead of" if ahead > 0 else "behind"
    found = f"this machine is {abs(ahead):.0f} s {which} the endpoint"
    if abs(ahead) * 1000 <= settings.validation.clock_skew_ms:
        return ok("clocks", found)
    return warn("clocks", found, "synchronise the clock: events in the endpoint's future are refused")
