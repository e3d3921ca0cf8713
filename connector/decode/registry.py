"""A schema registry with Confluent's API (Confluent, Karapace, Redpanda, Apicurio's ccompat) as the source of schemas.

The client is confluent-kafka's: authentication, TLS, several addresses. Its retries are off, since `SchemaCache` backs
off for all look-ups together, and its cache is emptied, since `SchemaCache` is the one that has a limit. This is the
only place where its exceptions are known.

What is an answer and what is not: only a 404 with a registry's own code says that a schema does not exist. A plain 404
is a wrong path in the URL, a 401 or 403 wrong credentials: both would otherwise turn every good message into a reject.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.common._httpx_compat import httpx  # which httpx it was built on is its secret
from confluent_kafka.schema_registry.error import OAuthTokenError

from connector.decode.avro_schema import avro_schema
from connector.decode.schemas import JsonSchema, Schema, SchemaUnknown, UnusableSchema
from connector.errors import RegistryUnavailable, SettingsError
from connector.settings import SchemaRegistrySettings

REFERENCES_MAX = 200
_NOT_FOUND_CODES = frozenset({40401, 40402, 40403})
"""Subject, version, schema not found."""


class RegistryLookup:
    def __init__(self, settings: SchemaRegistrySettings) -> None:
        """Reaches no network. Raises SettingsError."""
        self._settings = settings
        self._where = f"the registry at {_without_credentials(settings.url or '')}"
        self._client = _client(settings)

    def fetch(self, schema: str) -> Schema | SchemaUnknown:
        kind, _, name = schema.partition(":")
        deadline = time.monotonic() + self._settings.timeout_ms / 1000
        client = self._client
        try:
            answer = client.get_schema_by_guid(name) if kind == "guid" else client.get_schema(int(name))
            references = _references(client, answer, deadline) if _is_avro(answer) else []
        except SchemaRegistryError as error:
            if error.http_status_code == 404 and _says_not_found(error.error_code):
                return SchemaUnknown(self._where)
            if error.http_status_code == 401 and self._settings.oauth is not None:
                self._client = _client(self._settings)  # the token may have been revoked: begin with a new one
            raise RegistryUnavailable(f"{self._where} {_explained(error, kind)}") from error
        except OAuthTokenError as error:
            raise RegistryUnavailable(f"no token for {self._where}: {error.message}") from error
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                f"{self._where} does not answer: {type(error).__name__} {error}".rstrip()
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # a 200 that is not what a registry says
            raise RegistryUnavailable(
                f"{self._where} answers with something else than a schema ({type(error).__name__}): check the URL"
            ) from error
        finally:
            client.clear_caches()  # type: ignore[no-untyped-call]
        return _readable(answer, references)

    def probe(self) -> str:
        self.fetch("id:0")  # no registry gives this number to a schema: any reliable answer will do
        return f"{self._where} answers"

    def close(self) -> None:
        self._client.close()


def client_properties(settings: SchemaRegistrySettings) -> dict[str, Any]:
    """The settings in the client's own names."""
    properties: dict[str, Any] = {
        "url": settings.url,
        "timeout": settings.timeout_ms / 1000,  # of each connect and each read; the default is none
        "max.retries": 0,
    }
    files = {
        "ssl.ca.location": settings.ca_file,
        "ssl.certificate.location": settings.certificate_file,
        "ssl.key.location": settings.key_file,
    }
    properties |= {name: path for name, path in files.items() if path is not None}
    if settings.username is not None:
        password = settings.password.get_secret_value() if settings.password else ""
        properties["basic.auth.user.info"] = f"{settings.username}:{password}"
    if settings.bearer_token is not None:
        properties["bearer.auth.credentials.source"] = "STATIC_TOKEN"
        properties["bearer.auth.token"] = settings.bearer_token.get_secret_value()
    if settings.oauth is not None:
        properties["bearer.auth.credentials.source"] = "OAUTHBEARER"
        properties["bearer.auth.issuer.endpoint.url"] = settings.oauth.token_url
        properties["bearer.auth.client.id"] = settings.oauth.client_id
        properties["bearer.auth.client.secret"] = settings.oauth.client_secret.get_secret_value()
        properties["bearer.auth.scope"] = settings.oauth.scope
    if settings.bearer_token is not None or settings.oauth is not None:
        properties["bearer.auth.logical.cluster"] = settings.logical_cluster or ""
        if settings.identity_pool is not None:
            properties["bearer.auth.identity.pool.id"] = settings.identity_pool
    return properties


def _client(settings: SchemaRegistrySettings) -> SchemaRegistryClient:
    faults = _faults(settings)
    if faults:
        raise SettingsError(faults)
    try:
        return SchemaRegistryClient(client_properties(settings))
    except ssl.SSLError as error:
        raise SettingsError(
            [f"schema_registry: ca_file, certificate_file or key_file is not what it should be: {error}"]
        ) from error
    except (ValueError, TypeError, OSError) as error:
        raise SettingsError([f"schema_registry: {error}"]) from error


def _faults(settings: SchemaRegistrySettings) -> list[str]:
    faults = [
        f"schema_registry.url: found an address that begins {url.strip()[:8]!r}, expected http:// or https://"
        for url in (settings.url or "").split(",")
        if not url.strip().startswith(("http://", "https://"))
    ]
    for key in ("ca_file", "certificate_file", "key_file"):
        path = getattr(settings, key)
        if path is not None and not Path(path).is_file():
            faults.append(f"schema_registry.{key}: found no file {path}, expected PEM")
    if settings.key_file is not None and settings.certificate_file is None:
        faults.append("schema_registry.key_file: found without certificate_file, expected both")
    ways = {"username": settings.username, "bearer_token": settings.bearer_token, "oauth": settings.oauth}
    chosen = [way for way, value in ways.items() if value is not None]
    if len(chosen) > 1:
        faults.append(f"schema_registry: found {' and '.join(chosen)}, expected one way to authenticate")
    return faults


def _says_not_found(code: object) -> bool:
    """The code is whatever the answer has there."""
    return isinstance(code, int) and code in _NOT_FOUND_CODES


def _is_avro(answer: RegistrySchema) -> bool:
    if not isinstance(answer.schema_str, str):
        raise TypeError("no schema in the answer")
    return answer.schema_type in (None, "AVRO")


def _references(client: SchemaRegistryClient, schema: RegistrySchema, deadline: float) -> list[str]:
    """The texts of everything that the schema refers to, directly or not."""
    texts: dict[tuple[str, int], str] = {}
    open_references = list(schema.references or [])
    while open_references:
        reference = open_references.pop()
        subject, version = reference.subject, reference.version
        if subject is None or version is None or (subject, version) in texts:
            continue
        if len(texts) == REFERENCES_MAX or time.monotonic() > deadline:
            raise RegistryUnavailable(
                f"the references of a schema took too long or are more than {REFERENCES_MAX} (at {subject} {version})"
            )
        referred = client.get_version(subject, version).schema
        texts[subject, version] = referred.schema_str or ""
        open_references += referred.references or []
    return list(texts.values())


def _readable(answer: RegistrySchema, references: list[str]) -> Schema:
    match answer.schema_type or "AVRO":
        case "AVRO":
            return avro_schema(answer.schema_str or "", references)
        case "JSON":
            return JsonSchema()
        case other:
            return UnusableSchema(f"a schema of the type {other}; Avro and JSON can be read")


def _explained(error: SchemaRegistryError, kind: str) -> str:
    status = error.http_status_code
    said = str(error.error_message)[:200]
    match status:
        case 401 | 403:
            return f"refuses the credentials ({status}): check what schema_registry says of them"
        case 404 | 405 if kind == "guid":
            return f"cannot look up by GUID ({status}); Confluent's can since 8.0"
        case 404:
            return "answers 404 and not as a registry does: check the path in schema_registry.url"
        case _:
            return f"answers {status}: {said}"


def _without_credentials(urls: str) -> str:
    """Each address without user, password and query."""
    parts = [urlsplit(url.strip()) for url in urls.split(",")]
    return ", ".join(f"{part.scheme}://{part.netloc.rpartition('@')[2]}{part.path}" for part in parts)
