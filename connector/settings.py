"""The settings as models: every key of `connector.yaml`, its type, range, default and meaning.

The models refuse a wrong type, range or name; what only two settings together can get wrong is refused by
`connector/configuration/checks.py`. The file, the environment and the secrets are read by
`connector.configuration.load`. The descriptions are what editors, `airship-connector schema` and docs/settings.md show.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr

BROKER_SESSION_TIMEOUT_MS = 45_000
"""A broker's own default of `group.consumer.session.timeout.ms`, which rules with `group_protocol: consumer`."""

Property: TypeAlias = bool | int | float | str
"""A value of a librdkafka property."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    """The cluster to read from and the consumer group."""

    bootstrap_servers: str = Field(description="host:port, several separated by commas")
    group_id: str = Field(min_length=1, description="the consumer group; its committed offsets are the progress")
    group_protocol: Literal["classic", "consumer"] = Field(
        "classic", description="`consumer` is KIP-848 and needs brokers of 4.0 or newer"
    )
    group_instance_id: str | None = Field(
        None,
        description="static membership: who comes back under this name within the session keeps its partitions",
    )
    session_timeout_ms: Annotated[int, Field(ge=1000)] = Field(
        15_000, description="classic protocol only: how long the group waits for a member that was killed"
    )
    max_poll_interval_ms: Annotated[int, Field(ge=1000)] = Field(
        300_000, description="the group drops a member whose loop has not come back for so long"
    )
    auto_offset_reset: Literal["earliest", "latest", "error"] = Field(
        "earliest", description="where a group without a committed offset starts; earliest loses nothing"
    )
    msk_iam_region: str | None = Field(
        None, description="Amazon MSK with IAM: the cluster's region; needs the extra `msk`, and no `sasl.` property"
    )
    properties: dict[str, Property] = Field(
        default_factory=dict,
        description="any librdkafka property; the few that would break delivery are refused by name",
    )


class RegistryOAuthSettings(Section):
    """Tokens for the schema registry by client credentials."""

    token_url: str = Field(description="where the tokens are issued")
    client_id: str = Field(description="the client's name at the token endpoint")
    client_secret: SecretStr = Field(description="the client's secret at the token endpoint")
    scope: str = Field("", description="scopes to ask for, separated by blanks")


class SchemaRegistrySettings(Section):
    """Where Avro schemas come from: a registry, a directory, or AWS Glue."""

    url: str | None = Field(None, description="one address or several separated by commas")
    directory: str | None = Field(None, description="a directory of .avsc files instead of a registry")
    glue_region: str | None = Field(None, description="AWS Glue's registry in this region; needs the extra `glue`")
    username: str | None = Field(None, description="basic authentication, with password")
    password: SecretStr | None = Field(None, description="basic authentication, with username")
    bearer_token: SecretStr | None = Field(None, description="a token that does not expire, instead of a password")
    oauth: RegistryOAuthSettings | None = Field(None, description="tokens by client credentials, instead of a password")
    logical_cluster: str | None = Field(None, description="Confluent Cloud: `lsrc-...`, with bearer_token or oauth")
    identity_pool: str | None = Field(None, description="Confluent Cloud: `pool-...`, with bearer_token or oauth")
    ca_file: str | None = Field(None, description="PEM bundle instead of the system's authorities")
    certificate_file: str | None = Field(None, description="PEM of the client's certificate (mTLS), with key_file")
    key_file: str | None = Field(None, description="PEM of the client's private key (mTLS), with certificate_file")
    timeout_ms: Annotated[int, Field(ge=100)] = Field(10_000, description="longest wait for an answer")
    recheck_ms: Annotated[int, Field(ge=0)] = Field(
        2_000, description="an unknown schema id is asked for once more after this time before the record is rejected"
    )


class OAuthSettings(Section):
    """Access tokens for Airship: by a client secret or by a signed assertion."""

    client_id: str = Field(description="the client id that Airship issued")
    client_secret: SecretStr | None = Field(None, description="the secret that Airship issued; or private_key_file")
    private_key_file: str | None = Field(None, description="PEM of an ES384 key: signed assertion instead of a secret")
    scope: str = Field("evt", description="Custom Events need `evt`")


class AuthSettings(Section):
    """Exactly one of the three."""

    bearer_token: SecretStr | None = Field(None, description="a token from Airship's dashboard, valid until revoked")
    bearer_token_file: str | None = Field(None, description="read again when it changes and after a 401")
    oauth: OAuthSettings | None = Field(None, description="access tokens, refreshed before they expire")


class AirshipSettings(Section):
    """The endpoint and the credentials for it."""

    region: Literal["us", "eu"] = Field("us", description="the data centre of the Airship project")
    base_url: str | None = Field(None, description="instead of a region: the address before /api/custom-events")
    token_url: str | None = Field(None, description="with base_url and oauth: where access tokens are issued")
    app_key: SecretStr = Field(description="the project's app key: 22 letters, digits, `_` or `-`")
    auth: AuthSettings
    connect_timeout_ms: Annotated[int, Field(ge=1)] = Field(
        5_000, description="longest wait for a connection, TLS included"
    )
    request_timeout_ms: Annotated[int, Field(ge=1)] = Field(
        65_000, description="total deadline of a request; Airship's own is 60 s, so a shorter one makes duplicates"
    )
    idle_connection_ms: Annotated[int, Field(ge=0)] = Field(
        15_000, description="idle connections are closed after this time, before the endpoint closes them"
    )
    ca_file: str | None = Field(None, description="PEM bundle instead of the system's authorities")
    proxy: str | None = Field(None, description="http://host:port; else HTTPS_PROXY and NO_PROXY are honoured")


class RouteSettings(Section):
    """Which topics, and what becomes of their messages. The first route whose topics and `when` match takes one."""

    name: str | None = Field(None, description="shown in `preview`, in logs and on the status page")
    topics: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="names of topics")
    topics_pattern: str | None = Field(None, description="a regular expression that the whole topic name matches")
    format: Literal["auto", "json", "avro"] = Field("auto", description="`auto` looks at the framing of each message")
    framing: Literal["confluent", "apicurio-8-byte"] = Field(
        "confluent", description="the length of a schema id after the magic byte cannot be told from the bytes"
    )
    when: str | None = Field(None, description="JMESPath; false or null skips and counts the message")
    for_each: str | None = Field(None, description="JMESPath to an array: one event for each item")
    event: dict[str, Any] | None = Field(
        None, description="the template; left out: the message is a Custom Event already"
    )
    transform: str | None = Field(None, description="package.module:function, where an expression is not enough")
    ordering_key: str | None = Field(None, description="JMESPath; else the Kafka key")
    tombstones: Literal["skip", "reject"] = Field("skip", description="messages without a value")


class BatchSettings(Section):
    """When a batch is closed: at the first of the three."""

    events_max: Annotated[int, Field(ge=1, le=100)] = Field(100, description="events; Airship takes at most 100")
    bytes_max: Annotated[ByteSize, Field(ge=1024, le=5 * 1024 * 1024)] = Field(
        ByteSize(4 * 1024 * 1024), description="of the final body; Airship takes at most 5 MiB"
    )
    linger_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        50, description="after the first event; with nothing in flight a batch goes at once"
    )


class WindowSettings(Section):
    """The bound on what is held in memory: read and not yet settled."""

    records_max: Annotated[int, Field(ge=1000)] = Field(20_000, description="records read and not yet settled")
    bytes_max: Annotated[ByteSize, Field(ge=1024 * 1024)] = Field(
        ByteSize(64 * 1024 * 1024), description="bytes of them, with their events"
    )


class RetrySettings(Section):
    """The back-off of a batch after a fault of the endpoint. `Retry-After` wins when it is longer."""

    initial_ms: Annotated[int, Field(ge=1)] = Field(200, description="bound of the first random wait; it doubles")
    max_ms: Annotated[int, Field(ge=1)] = Field(30_000, description="bound of the longest random wait")


class RateLimitSettings(Section):
    """A limit that all members of the group share."""

    events_per_second: Annotated[float, Field(gt=0)] | None = Field(
        None, description="of the whole group: each member takes its share by the partitions it holds"
    )


class DeliverySettings(Section):
    """How events travel: order, batches, limits, retries, commits."""

    ordering: Literal["key", "partition", "none"] = Field(
        "key", description="which records of a partition wait for each other: those of one key, all, or none"
    )
    requests_max: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = Field(
        16, description="requests in flight at once; `auto` finds how many the endpoint likes, up to 128"
    )
    batch: BatchSettings = BatchSettings()
    window: WindowSettings = WindowSettings()
    retry: RetrySettings = RetrySettings()
    commit_interval_ms: Annotated[int, Field(ge=10)] = Field(
        500,
        description="at the latest; a busy member commits up to ten times as often. "
        "A kill repeats what was in flight and what was settled since the last commit",
    )
    drain_ms: Annotated[int, Field(ge=0)] = Field(
        20_000,
        description="longest wait for what is in flight on shutdown and revoke; keep it under the pod's grace period",
    )
    rate_limit: RateLimitSettings = RateLimitSettings()


class DeadLetterSettings(Section):
    """Where rejects go, and when there are too many of them."""

    topic: str = Field("airship-connector.dlq", description="may contain {topic} and {group}")
    create: bool = Field(True, description="create the topic at the start if it is missing and that is allowed")
    rejects_share_max: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05,
        description="a larger share of the recent records stops consuming: a wrong deployment must not drain a topic",
    )
    rejects_run_max: Annotated[int, Field(ge=1)] = Field(1000, description="so many rejects in a row do the same")
    properties: dict[str, Property] = Field(default_factory=dict, description="librdkafka properties of the producer")


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
    properties_keys_max: Annotated[int, Field(ge=1)] | None = Field(
        None, description="keys of `properties`, those of nested objects not counted"
    )
    properties_depth_max: Annotated[int, Field(ge=1)] | None = Field(
        None, description="objects and arrays inside each other, `properties` itself is the first"
    )


class AdminSettings(Section):
    """Probes, metrics and the status page."""

    host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104  probes and scrapes come from outside
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8080, description="0 takes a free port and logs it")


class LogSettings(Section):
    """What goes to standard error."""

    format: Literal["json", "text"] = Field("json", description="left out: text on a terminal, JSON elsewhere")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least severe level shown")


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

    @property
    def session_timeout_ms(self) -> int:
        """What rules in the group: with `group_protocol: consumer` the broker decides, and its default is assumed."""
        return self.kafka.session_timeout_ms if self.kafka.group_protocol == "classic" else BROKER_SESSION_TIMEOUT_MS

    @property
    def drain_seconds(self) -> float:
        """The longest drain, on shutdown and on revoke.

        `close()` and a blocked rebalance callback send no heartbeats, so it stays under half the session and a third
        of the poll interval: the group must not drop the member while it waits for answers.
        """
        return min(self.delivery.drain_ms, self.kafka.max_poll_interval_ms / 3, self.session_timeout_ms / 2) / 1000
