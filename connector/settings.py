"""The settings as models: every key of `connector.yaml`, its type, range, default and meaning.

What can be wrong without the world outside is refused here, before anything starts. Reading the file, the
environment and the secrets is at the end of the module (`load`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    bootstrap_servers: str = Field(description="host:port, several separated by commas")
    group_id: str = Field(min_length=1, description="the consumer group; its committed offsets are the progress")
    group_protocol: Literal["classic", "consumer"] = Field(
        "classic", description="`consumer` is KIP-848 and needs brokers of 4.0 or newer"
    )
    group_instance_id: str | None = Field(
        None, description="static membership: a member that comes back under this name within the session keeps its partitions"
    )
    session_timeout_ms: Annotated[int, Field(ge=1000)] = Field(
        15_000, description="classic protocol only: how long the group waits for a member that was killed"
    )
    max_poll_interval_ms: Annotated[int, Field(ge=1000)] = 300_000
    auto_offset_reset: Literal["earliest", "latest", "error"] = Field(
        "earliest", description="where a group without a committed offset starts; earliest loses nothing"
    )
    properties: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="any librdkafka property; the few that would break delivery are refused by name"
    )


class RegistryOAuthSettings(Section):
    token_url: str
    client_id: str
    client_secret: SecretStr
    scope: str = ""


class SchemaRegistrySettings(Section):
    url: str | None = Field(None, description="one address or several separated by commas")
    directory: str | None = Field(None, description="a directory of .avsc files instead of a registry")
    glue_region: str | None = Field(None, description="AWS Glue's registry in this region; needs the extra `glue`")
    username: str | None = None
    password: SecretStr | None = None
    bearer_token: SecretStr | None = None
    oauth: RegistryOAuthSettings | None = None
    logical_cluster: str | None = Field(None, description="Confluent Cloud: `lsrc-...`, with bearer_token or oauth")
    identity_pool: str | None = Field(None, description="Confluent Cloud: `pool-...`, with bearer_token or oauth")
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    timeout_ms: Annotated[int, Field(ge=100)] = 10_000
    recheck_ms: Annotated[int, Field(ge=0)] = Field(
        2_000, description="an unknown schema id is asked for once more after this time before the record is rejected"
    )


class OAuthSettings(Section):
    client_id: str
    client_secret: SecretStr | None = None
    private_key_file: str | None = Field(None, description="PEM of an ES384 key: signed assertion instead of a secret")
    scope: str = "evt"


class AuthSettings(Section):
    bearer_token: SecretStr | None = None
    bearer_token_file: str | None = Field(None, description="read again when it changes and after a 401")
    oauth: OAuthSettings | None = None


class AirshipSettings(Section):
    region: Literal["us", "eu"] = "us"
    base_url: str | None = Field(None, description="instead of a region: the address before /api/custom-events")
    token_url: str | None = None
    app_key: SecretStr
    auth: AuthSettings
    connect_timeout_ms: Annotated[int, Field(ge=1)] = 5_000
    request_timeout_ms: Annotated[int, Field(ge=1)] = Field(
        65_000, description="total deadline of a request; Airship's own is 60 s, so a shorter one makes duplicates"
    )
    idle_connection_ms: Annotated[int, Field(ge=0)] = Field(
        15_000, description="idle connections are closed after this time, before the endpoint closes them"
    )
    ca_file: str | None = Field(None, description="PEM bundle instead of the system's authorities")
    proxy: str | None = Field(None, description="http://host:port; else HTTPS_PROXY and NO_PROXY are honoured")


class RouteSettings(Section):
    name: str | None = None
    topics: list[str] | None = None
    topics_pattern: str | None = Field(None, description="a regular expression that the whole topic name matches")
    format: Literal["auto", "json", "avro"] = "auto"
    framing: Literal["confluent", "apicurio-8-byte"] = "confluent"
    when: str | None = Field(None, description="JMESPath; false or null skips and counts the message")
    for_each: str | None = Field(None, description="JMESPath to an array: one event for each item")
    event: dict[str, Any] | None = Field(None, description="the template; left out: the message is a Custom Event already")
    transform: str | None = Field(None, description="package.module:function, where an expression is not enough")
    ordering_key: str | None = Field(None, description="JMESPath; else the Kafka key")
    tombstones: Literal["skip", "reject"] = "skip"


class BatchSettings(Section):
    events_max: Annotated[int, Field(ge=1, le=100)] = 100
    bytes_max: Annotated[ByteSize, Field(ge=1024, le=5 * 1024 * 1024)] = ByteSize(4 * 1024 * 1024)
    linger_ms: Annotated[int, Field(ge=0, le=60_000)] = 50


class WindowSettings(Section):
    records_max: Annotated[int, Field(ge=1000)] = Field(20_000, description="read and not yet settled")
    bytes_max: Annotated[ByteSize, Field(ge=1024 * 1024)] = ByteSize(64 * 1024 * 1024)


class RetrySettings(Section):
    initial_ms: Annotated[int, Field(ge=1)] = 200
    max_ms: Annotated[int, Field(ge=1)] = 30_000


class RateLimitSettings(Section):
    events_per_second: Annotated[float, Field(gt=0)] | None = Field(
        None, description="of the whole group: each member takes its share by the partitions it holds"
    )


class DeliverySettings(Section):
    ordering: Literal["key", "partition", "none"] = "key"
    requests_max: Annotated[int, Field(ge=1, le=1000)] = Field(16, description="requests in flight at once")
    batch: BatchSettings = BatchSettings()
    window: WindowSettings = WindowSettings()
    retry: RetrySettings = RetrySettings()
    commit_interval_ms: Annotated[int, Field(ge=10)] = 500
    drain_ms: Annotated[int, Field(ge=0)] = Field(
        20_000, description="longest wait for what is in flight on shutdown and revoke; keep it under the pod's grace period"
    )
    rate_limit: RateLimitSettings = RateLimitSettings()


class DeadLetterSettings(Section):
    topic: str = Field("airship-connector.dlq", description="may contain {topic} and {group}")
    create: bool = Field(True, description="create the topic at the start if it is missing and that is allowed")
    rejects_share_max: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05, description="more rejects than this share of the recent records stop consuming: a wrong deployment must not drain a topic"
    )
    rejects_run_max: Annotated[int, Field(ge=1)] = Field(1000, description="so many rejects in a row do the same")
    properties: dict[str, str | int | float | bool] = Field(default_factory=dict, description="producer properties")


class ValidationSettings(Section):
    """Limits of a Custom Event that Airship does not document: off, or wide, unless they are set here."""

    clock_skew_ms: Annotated[int, Field(ge=0)] = Field(
        30_000, description="an event may lie so far in the future: clocks differ, and it is older when it arrives"
    )
    named_user_id_length_max: Annotated[int, Field(ge=1)] | None = Field(
        None, description="128 is widely quoted; without it the endpoint decides, and the event is isolated"
    )
    name_length_max: Annotated[int, Field(ge=1)] | None = Field(None, description="Airship's mobile SDK: 255")
    text_length_max: Annotated[int, Field(ge=1)] | None = Field(
        None, description="of transaction, interaction_id, interaction_type, session_id, unique_id; mobile SDK: 255"
    )
    value_min: float | None = Field(None, description="mobile SDK: -2147483648")
    value_max: float | None = Field(None, description="mobile SDK: 2147483647")
    properties_keys_max: Annotated[int, Field(ge=1)] | None = None
    properties_depth_max: Annotated[int, Field(ge=1)] | None = Field(
        None, description="objects and arrays inside each other, `properties` itself is the first"
    )


class AdminSettings(Section):
    host: str = "0.0.0.0"  # noqa: S104  probes and scrapes come from other hosts
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8080, description="0 takes a free port and logs it")


class LogSettings(Section):
    format: Literal["json", "text"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section):
    """Everything in `connector.yaml`."""

    kafka: KafkaSettings
    schema_registry: SchemaRegistrySettings | None = None
    airship: AirshipSettings
    routes: Annotated[list[RouteSettings], Field(min_length=1)]
    delivery: DeliverySettings = DeliverySettings()
    validation: ValidationSettings = ValidationSettings()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    admin: AdminSettings = AdminSettings()
    log: LogSettings = LogSettings()
