"""Every metric, declared once: name, unit, attributes, meaning, and what to do about it.

`docs/metrics.md` is generated from this module (`make docs`), and a test fails where the two differ. Prometheus and
OTLP carry the same names; Prometheus writes dots as underscores and adds the unit and `_total`.
"""

from __future__ import annotations

from typing import Final

from connector.telemetry import attributes as a
from connector.telemetry.instruments import Declaration

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The conventions' own buckets."""

_AGES: Final = (
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
    3600.0,
    21600.0,
    86400.0,
)
_EVENTS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 75.0, 99.0)

# ---------------------------------------------------------------- the conventions' own

CONSUMED = Declaration(
    "messaging.client.consumed.messages",
    "counter",
    "{message}",
    (a.SYSTEM, a.OPERATION_NAME, a.GROUP, a.DESTINATION),
    "Records read from a topic.",
    "Zero while there is lag: reading stopped. See `connector.delivery.blocked`, then the window, then Kafka.",
)
OPERATION_DURATION = Declaration(
    "messaging.client.operation.duration",
    "histogram",
    "s",
    (a.SYSTEM, a.OPERATION_NAME, a.GROUP, a.DESTINATION, a.ERROR_TYPE),
    "How long a call to Kafka took: `poll` (those that returned records), `commit`, `send` to the dead letters.",
    "Slow commits or sends point at the brokers, not at Airship.",
    _SECONDS,
)
PROCESS_DURATION = Declaration(
    "messaging.process.duration",
    "histogram",
    "s",
    (a.SYSTEM, a.OPERATION_NAME, a.GROUP, a.ERROR_TYPE),
    "From the first record that joined a batch until the batch was settled, its retries included.",
    "Compare with `http.client.request.duration`: what is above it is back-off and waiting for a free request.",
    _AGES,
)
SENT = Declaration(
    "messaging.client.sent.messages",
    "counter",
    "{message}",
    (a.SYSTEM, a.OPERATION_NAME, a.DESTINATION, a.ERROR_TYPE),
    "Dead letters, by what the delivery report said.",
    "With `error.type`: the dead-letter topic refuses records. Nothing is lost, the partition waits.",
)
REQUEST_DURATION = Declaration(
    "http.client.request.duration",
    "histogram",
    "s",
    (a.HTTP_METHOD, a.SERVER_ADDRESS, a.SERVER_PORT, a.HTTP_STATUS, a.ERROR_TYPE),
    "One POST to Airship, from when it was handed over to the answer.",
    "Slow or failing here while Kafka is well: it is Airship or the way to it.",
    _SECONDS,
)
CPU_TIME = Declaration(
    "process.cpu.time",
    "counter",
    "s",
    (a.CPU_MODE,),
    "CPU time of the process.",
    "Near one core for long: add a replica.",
)
MEMORY = Declaration(
    "process.memory.usage",
    "gauge",
    "By",
    (),
    "Resident memory of the process.",
    "Bounded by the window and Kafka's queues: lower `delivery.window.bytes_max` if it is too much.",
)
UPTIME = Declaration(
    "process.uptime",
    "gauge",
    "s",
    (),
    "Since the process started.",
    "Falls back to zero with every restart: the log of the container that ended says why.",
)

# ---------------------------------------------------------------- records and their fate

SETTLED = Declaration(
    "connector.records.settled",
    "counter",
    "{record}",
    (a.EVIDENCE,),
    "Records that are done with, by what proves it: `delivered` (a 200), `dead_lettered` (a delivery report), "
    "`skipped` (a rule), `committed_ahead` (done before a restart, read from the group's own commit).",
    "Its rate is the throughput. Zero while there is lag: not delivering.",
)
REJECTED = Declaration(
    "connector.records.rejected",
    "counter",
    "{record}",
    (a.STAGE, a.REASON),
    "Records refused for a fault of their own, on their way to the dead letters.",
    "`airship-connector dlq list` shows them; mend the producer or the route, then `dlq replay`.",
)
EXPIRED = Declaration(
    "connector.records.expired",
    "counter",
    "{record}",
    (a.DESTINATION,),
    "Records that the topic's retention deleted before they were read.",
    "Lost, and not by the connector: raise the topic's retention above the longest outage to be survived.",
)
LAG = Declaration(
    "connector.consumer.lag",
    "gauge",
    "{record}",
    (a.GROUP, a.DESTINATION, a.PARTITION),
    "Records of a partition between what is settled and the end. Only partitions that this member holds.",
    "Growing while delivering: more throughput is needed (`delivery.requests_max`, replicas). Growing while not: see "
    "`connector.delivery.blocked`.",
)
OLDEST_AGE = Declaration(
    "connector.window.oldest.age",
    "gauge",
    "s",
    (),
    "Age of the oldest record that was read and is not settled, by its timestamp (or that of the first one read with "
    "it); 0 when nothing waits.",
    "Grows by a second each second: something holds that record back. The status page says what.",
)
EVENT_AGE = Declaration(
    "connector.event.age",
    "histogram",
    "s",
    (),
    "From a record's timestamp to the 200 for its event. In a large batch some records stand for their neighbours.",
    "The objective that users feel; the alert burns on its share above 60 s.",
    _AGES,
)

# ---------------------------------------------------------------- batches and requests

BATCH_EVENTS = Declaration(
    "connector.batch.events",
    "histogram",
    "{event}",
    (),
    "Events in a request. Above the last bound is a full one of 100.",
    "Small batches with lag: many keys wait for an earlier record of theirs, or `bytes_max` closes batches early.",
    _EVENTS,
)
IN_FLIGHT = Declaration(
    "connector.requests.in_flight",
    "gauge",
    "{request}",
    (),
    "Requests without an answer yet.",
    "At `delivery.requests_max` for long: Airship's answers bound the throughput.",
)
RETRIED = Declaration(
    "connector.requests.retried",
    "counter",
    "{request}",
    (a.REASON,),
    "Requests that failed for no fault of their events and are sent again.",
    "`throttled`: lower the rate; `server_error`: Airship; `connect`, `tls`, `timeout`, `disconnected`: Airship or the "
    "way to it; `credentials_unavailable`: the token URL or the token file. They heal without a hand.",
)
BLOCKED = Declaration(
    "connector.delivery.blocked",
    "gauge",
    "{instance}",
    (a.REASON,),
    "1 while delivery is stopped until somebody mends the cause, else 0 or absent.",
    "Read the reason, then the runbook of that name. It goes on by itself once the cause is mended.",
)
BREAKER = Declaration(
    "connector.breaker.open",
    "gauge",
    "{instance}",
    (),
    "1 while a storm of failed requests holds all of them back but a single probe.",
    "Airship or the way to it is down. It closes with the first request that succeeds.",
)
STALE = Declaration(
    "connector.answers.stale",
    "counter",
    "{record}",
    (),
    "Answers for records of partitions that were given away meanwhile: their next owner may have sent them again.",
    "Each may be a duplicate. Many: rebalances are too frequent, or the drain is too short.",
)

# ---------------------------------------------------------------- Kafka

REBALANCES = Declaration(
    "connector.rebalances",
    "counter",
    "{rebalance}",
    (a.EVENT,),
    "Changes of what this member holds: `assigned`, `revoked`, `lost`.",
    "`lost` means that the group gave up on this member: a poll came too late, or the network failed.",
)
PARTITIONS = Declaration(
    "connector.partitions.assigned",
    "gauge",
    "{partition}",
    (a.GROUP,),
    "Partitions that this member holds.",
    "0 on a member: more members than partitions.",
)
PAUSED = Declaration(
    "connector.partitions.paused",
    "gauge",
    "{partition}",
    (a.GROUP,),
    "Partitions held and paused, because the window or their share of it is full.",
    "Normal under load. All of them for minutes: delivery is slower than reading, or blocked.",
)
WINDOW_RECORDS = Declaration(
    "connector.window.records",
    "gauge",
    "{record}",
    (),
    "Records read and not yet settled.",
    "At its limit reading stops.",
)
WINDOW_BYTES = Declaration(
    "connector.window.bytes", "gauge", "By", (), "Bytes of them held in memory.", "At its limit reading stops."
)
DEAD_LETTERS_WAITING = Declaration(
    "connector.dead_letters.waiting",
    "gauge",
    "{record}",
    (),
    "Rejects without a delivery report yet.",
    "Stays above 0: the dead-letter topic cannot be written. Check that it exists and that the ACLs allow Write.",
)

ALL: Final = (
    CONSUMED,
    OPERATION_DURATION,
    PROCESS_DURATION,
    SENT,
    REQUEST_DURATION,
    CPU_TIME,
    MEMORY,
    UPTIME,
    SETTLED,
    REJECTED,
    EXPIRED,
    LAG,
    OLDEST_AGE,
    EVENT_AGE,
    BATCH_EVENTS,
    IN_FLIGHT,
    RETRIED,
    BLOCKED,
    BREAKER,
    STALE,
    REBALANCES,
    PARTITIONS,
    PAUSED,
    WINDOW_RECORDS,
    WINDOW_BYTES,
    DEAD_LETTERS_WAITING,
)
