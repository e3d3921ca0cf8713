"""AWS Glue's schema registry as the source of schemas. Needs the extra `glue` (boto3).

Credentials come from where every AWS tool takes them: environment, profile, instance or pod role. The right that is
needed is `glue:GetSchemaVersion`. This is the only place where boto3's exceptions are known.
"""

from __future__ import annotations

from typing import Any

from connector.decode.avro_schema import avro_schema
from connector.decode.schemas import JsonSchema, Schema, SchemaUnknown, UnusableSchema
from connector.errors import RegistryUnavailable, SettingsError

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError as error:
    raise SettingsError(
        ["schema_registry.glue_region: found no boto3, expected it installed: pip install 'airship-connector[glue]'"]
    ) from error

_NO_SUCH_VERSION = "EntityNotFoundException"
_PROBE = "glue:00000000-0000-0000-0000-000000000000"


class GlueLookup:
    def __init__(self, region: str, timeout_seconds: float, endpoint_url: str | None = None) -> None:
        """Reaches no network. `endpoint_url` is for private endpoints; None asks AWS's own for the region."""
        self._where = f"AWS Glue in {region}"
        config = Config(
            connect_timeout=timeout_seconds,
            read_timeout=timeout_seconds,
            retries={"total_max_attempts": 1},  # SchemaCache backs off for all look-ups together
        )
        try:
            self._client: Any = boto3.client("glue", region_name=region, endpoint_url=endpoint_url, config=config)
        except (BotoCoreError, ValueError) as error:
            raise SettingsError([f"schema_registry.glue_region: {error}"]) from error

    def fetch(self, schema: str) -> Schema | SchemaUnknown:
        version = schema.partition(":")[2]
        try:
            answer = self._client.get_schema_version(SchemaVersionId=version)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == _NO_SUCH_VERSION:
                return SchemaUnknown(self._where)
            raise RegistryUnavailable(f"{self._where} answers {code}: {_message(error)}") from error
        except BotoCoreError as error:  # no credentials, no connection, time-out
            raise RegistryUnavailable(f"{self._where} does not answer: {error}") from error
        return self._readable(answer)

    def probe(self) -> str:
        self.fetch(_PROBE)
        return f"{self._where} answers"

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def _readable(answer: dict[str, Any]) -> Schema:
        match answer.get("DataFormat"):
            case "AVRO":
                return avro_schema(answer["SchemaDefinition"])  # whatever its status is: a record was written with it
            case "JSON":
                return JsonSchema()
            case other:
                return UnusableSchema(f"a schema of the type {other}; Avro and JSON can be read")


def _message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))[:200]
