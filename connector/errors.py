"""The errors that the connector raises itself.

    ConnectorError
      SettingsError          wrong usage or settings; the command ends with 2
      StartError             the job cannot start for a reason outside its settings; ends with 1
      BrokerFatal            the Kafka client is beyond repair; the process ends with 1 and commits nothing
      RecordError            one record's own fault: becomes a reject
        DecodeError
        MappingError
        InvalidEvent
      SchemaPending          not an error of the record: its schema has to be looked up first
      RegistryUnavailable    the registry does not answer: systemic, tried again

Foreign exceptions are translated where they arise, in exactly one place each; nothing else is caught.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.core.records import Fault, Reason, SchemaWait, Stage


class ConnectorError(Exception):
    """The root: says what was found, what was expected and how to mend it."""


class SettingsError(ConnectorError):
    """One line for each fault: file, key, found, expected, nearest known name."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class StartError(ConnectorError):
    pass


class BrokerFatal(ConnectorError):
    pass


class RecordError(ConnectorError):
    """The record's own fault. `stage` is fixed by the class, `reason` by the raiser."""

    stage: Stage

    def __init__(self, reason: Reason, faults: Sequence[Fault], schema_id: str | None = None) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.reason: Reason = reason
        self.faults = tuple(faults)
        self.schema_id = schema_id


class DecodeError(RecordError):
    stage = "decode"


class MappingError(RecordError):
    stage = "map"


class InvalidEvent(RecordError):
    stage = "validate"


class SchemaPending(ConnectorError):
    """Raised by the decoder in front of a record whose schema is not in the cache yet."""

    def __init__(self, schema: str) -> None:
        super().__init__(schema)
        self.wait = SchemaWait(schema)


class RegistryUnavailable(ConnectorError):
    pass
