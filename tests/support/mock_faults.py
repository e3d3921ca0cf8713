"""Faults on request in the embedded broker: a broker that is down, slow, or answers with an error."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from enum import IntEnum

from connector.demo.embedded_broker import EmbeddedBroker

ALL_BROKERS = -1

_FUNCTIONS: dict[str, tuple[object, list[object]]] = {
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
    "rd_kafka_mock_broker_set_rtt": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int]),
    "rd_kafka_mock_set_group_consumer_session_timeout_ms": (None, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_mock_set_group_consumer_heartbeat_interval_ms": (None, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)],
    ),
    "rd_kafka_mock_clear_request_errors": (None, [ctypes.c_void_p, ctypes.c_int16]),
    "rd_kafka_mock_topic_set_error": (None, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]),
    "rd_kafka_mock_partition_set_leader": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32],
    ),
    "rd_kafka_mock_partition_delete_records": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64],
    ),
}


class ApiKey(IntEnum):
    """Kafka's request types, as the protocol numbers them."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22
    CONSUMER_GROUP_HEARTBEAT = 68


class MockFaults:
    """Works on a running `EmbeddedBroker`; `clear` takes back what is not used up."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker
        self._library = broker.library
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._pushed: set[ApiKey] = set()

    def set_down(self, broker_id: int = ALL_BROKERS) -> None:
        """Closes its connections and refuses new ones. Its partitions keep it as their leader."""
        code = self._library.rd_kafka_mock_broker_set_down(self._broker.cluster, broker_id)
        self._broker.expect_success(code, f"take broker {broker_id} down")

    def set_up(self, broker_id: int = ALL_BROKERS) -> None:
        code = self._library.rd_kafka_mock_broker_set_up(self._broker.cluster, broker_id)
        self._broker.expect_success(code, f"bring broker {broker_id} up")

    def set_round_trip_ms(self, milliseconds: int, broker_id: int = ALL_BROKERS) -> None:
        """Each answer comes so much later; 0 ends it."""
        code = self._library.rd_kafka_mock_broker_set_rtt(self._broker.cluster, broker_id, milliseconds)
        self._broker.expect_success(code, f"slow broker {broker_id} down to {milliseconds} ms")

    def push_errors(self, api_key: ApiKey, codes: Sequence[int]) -> None:
        """The next requests of this type are answered with these `KafkaError` codes, one each, in turn.

        `KafkaError._TRANSPORT` closes the connection instead, 0 is a normal answer.
        """
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._broker.cluster, api_key, len(codes), array)
        self._pushed.add(api_key)

    def set_consumer_group_times(self, session_ms: int, heartbeat_ms: int) -> None:
        """Under the new group protocol the broker sets them for every member."""
        self._library.rd_kafka_mock_set_group_consumer_session_timeout_ms(self._broker.cluster, session_ms)
        self._library.rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(self._broker.cluster, heartbeat_ms)

    def set_topic_error(self, topic: str, code: int) -> None:
        """What is answered when a client asks for the topic's metadata; 0 ends it."""
        self._library.rd_kafka_mock_topic_set_error(self._broker.cluster, topic.encode(), code)

    def set_leader(self, topic: str, partition: int, broker_id: int) -> None:
        """-1 leaves the partition without a leader."""
        code = self._library.rd_kafka_mock_partition_set_leader(
            self._broker.cluster, topic.encode(), partition, broker_id
        )
        self._broker.expect_success(code, f"make broker {broker_id} the leader of {topic}[{partition}]")

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None:
        """Moves the start of the log, as retention does."""
        code = self._library.rd_kafka_mock_partition_delete_records(
            self._broker.cluster, topic.encode(), partition, before_offset
        )
        self._broker.expect_success(code, f"delete {topic}[{partition}] before {before_offset}")

    def clear(self) -> None:
        """Every broker up and quick, no error waiting."""
        for api_key in self._pushed:
            self._library.rd_kafka_mock_clear_request_errors(self._broker.cluster, api_key)
        self._pushed.clear()
        self.set_round_trip_ms(0)
        self.set_up()
