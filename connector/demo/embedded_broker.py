"""A Kafka broker inside this process: librdkafka's mock cluster, so that the demo needs nothing installed.

Owns the mock cluster and the client instance that carries it; both live as long as the object. The cluster is made
through the C interface of the very library that confluent-kafka has loaded, because the Python client can start one
but gives no hold on it, and without one a topic always has four partitions.

Its limits: each partition keeps only its last 5 MiB (older records vanish unread), there is no topic administration
by clients, no TLS or SASL, aborted transactions stay visible, and everything is gone when the object is closed.
"""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Any

import confluent_kafka.cimpl

from connector.errors import StartError

PARTITION_BYTES_MAX = 5 * 1024 * 1024
"""What the mock cluster keeps of a partition; a topic that holds more than this per partition loses its beginning."""

_RD_KAFKA_PRODUCER = 0
_RD_KAFKA_CONF_OK = 0
_ERROR_TEXT_BYTES = 512

# name -> (result, arguments); without a declared signature ctypes would cut pointers to 32 bits
_FUNCTIONS: dict[str, tuple[type[ctypes._SimpleCData[Any]] | None, list[type[ctypes._SimpleCData[Any]]]]] = {
    "rd_kafka_conf_new": (ctypes.c_void_p, []),
    "rd_kafka_conf_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_conf_set": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "rd_kafka_new": (ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    "rd_kafka_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_err2str": (ctypes.c_char_p, [ctypes.c_int]),
    "rd_kafka_mock_cluster_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_mock_cluster_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [ctypes.c_void_p]),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, [ctypes.c_void_p, ctypes.c_int32]),
    "rd_kafka_mock_topic_create": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
}


def load_client_library() -> ctypes.CDLL:
    """The librdkafka that confluent-kafka uses, with the signatures of the functions called here.

    It is reached through the extension module: looking up a name there searches what the module is linked to, wherever
    that lies (in the wheel or in the system).
    """
    path = confluent_kafka.cimpl.__file__
    try:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise StartError(
            f"the embedded broker needs librdkafka's mock cluster, which cannot be reached through {path}: {error}. "
            "Expected is a librdkafka that exports rd_kafka_mock_*, as the wheels of confluent-kafka on PyPI do: "
            "install one of those, or use a real broker"
        ) from error
    return library


class EmbeddedBroker:
    """A running mock cluster. `bootstrap_servers` is valid from the start; a topic that a client names is created
    with four partitions, other numbers by `create_topic`."""

    def __init__(self, brokers: int = 1) -> None:
        assert brokers >= 1, "librdkafka would start a cluster of none without a word"
        self.library = load_client_library()
        self._instance = self._new_instance()
        cluster = self.library.rd_kafka_mock_cluster_new(self._instance, brokers)
        if not cluster:
            self.library.rd_kafka_destroy(self._instance)
            raise StartError(
                f"librdkafka could not start a mock cluster of {brokers} brokers: expected is leave to listen on "
                "127.0.0.1 and a free port there for each"
            )
        # else the first member of a group waits three seconds for others
        self.library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
        self._cluster: int | None = cluster
        self._broker_count = brokers
        self.bootstrap_servers: str = self.library.rd_kafka_mock_cluster_bootstraps(cluster).decode()

    def _new_instance(self) -> int:
        text = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
        conf = self.library.rd_kafka_conf_new()
        # this instance connects to nothing and has nothing to say: silent, so that no line lands in the demo's output
        if self.library.rd_kafka_conf_set(conf, b"log_level", b"0", text, len(text)) != _RD_KAFKA_CONF_OK:
            self.library.rd_kafka_conf_destroy(conf)
            raise StartError(f"librdkafka refused the embedded broker's configuration: {text.value.decode()}")
        instance: int | None = self.library.rd_kafka_new(_RD_KAFKA_PRODUCER, conf, text, len(text))
        if not instance:
            self.library.rd_kafka_conf_destroy(conf)  # only a successful call takes it over
            raise StartError(f"librdkafka could not start the embedded broker: {text.value.decode()}")
        return instance

    @property
    def cluster(self) -> int:
        """The `rd_kafka_mock_cluster_t *`, for whoever injects faults."""
        if self._cluster is None:
            raise StartError("the embedded broker is closed: it can be used only inside its `with` block")
        return self._cluster

    def create_topic(self, name: str, partitions: int) -> None:
        """Raises `StartError` if the name is taken or invalid."""
        assert partitions >= 1, "librdkafka would create a topic of none without a word"
        code = self.library.rd_kafka_mock_topic_create(self.cluster, name.encode(), partitions, self._broker_count)
        self.expect_success(code, f"create topic {name!r} with {partitions} partitions")

    def expect_success(self, code: int, action: str) -> None:
        if code != 0:
            reason = self.library.rd_kafka_err2str(code).decode()
            raise StartError(f"the embedded broker could not {action}: {reason}")

    def close(self) -> None:
        if self._cluster is None:
            return
        cluster, self._cluster = self._cluster, None
        self.library.rd_kafka_mock_cluster_destroy(cluster)
        self.library.rd_kafka_destroy(self._instance)

    def __enter__(self) -> EmbeddedBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
