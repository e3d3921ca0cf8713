"""The strings of OpenTelemetry's semantic conventions (1.44) that the connector uses, in one place.

The messaging conventions are still in development: when they move, this module moves. Nothing here is computed.
"""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
SCOPE: Final = "airship-connector"

# messaging
SYSTEM: Final = "messaging.system"
SYSTEM_KAFKA: Final = "kafka"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
GROUP: Final = "messaging.consumer.group.name"
CLIENT_ID: Final = "messaging.client.id"
BATCH_COUNT: Final = "messaging.batch.message_count"
KAFKA_OFFSET: Final = "messaging.kafka.offset"
KAFKA_CLUSTER_ID: Final = "messaging.kafka.cluster.id"

# http
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_BODY_SIZE: Final = "http.request.body.size"
URL_FULL: Final = "url.full"
URL_TEMPLATE: Final = "url.template"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

ERROR_TYPE: Final = "error.type"

# process
CPU_MODE: Final = "cpu.mode"

# the connector's own
OPERATION_ID: Final = "connector.operation_id"
"""Airship's name of an accepted request, which its support asks for."""
OUTCOME: Final = "connector.outcome"
EVIDENCE: Final = "evidence"
STAGE: Final = "stage"
REASON: Final = "reason"
EVENT: Final = "event"

INTEGERS: Final = frozenset({HTTP_STATUS, SERVER_PORT})
"""Attributes that are numbers in OpenTelemetry, whatever Prometheus makes of them."""

# span names; a span over several topics has no topic in its name
POLL: Final = "poll"
PROCESS: Final = "process"
COMMIT: Final = "commit"
SEND: Final = "send"


def span_name(operation: str, topic: str | None) -> str:
    return f"{operation} {topic}" if topic else operation


def post_span_name(url_template: str | None) -> str:
    return f"POST {url_template}" if url_template else "POST"
