"""AWS Glue through the real boto3, against a stand-in of its protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connector.decode.avro_values import avro_value
from connector.decode.glue import GlueLookup
from connector.decode.schemas import AvroSchema, JsonSchema, SchemaUnknown, UnusableSchema
from connector.errors import RegistryUnavailable
from tests.unit.decode.avro_bytes import text

VERSION = "89791762-2336-4186-9674-299b90a802e2"


class GlueStub:
    def __init__(self) -> None:
        self.status = 200
        self.answer: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        stub = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.asked.append((self.headers["X-Amz-Target"], body))
                sent = json.dumps(stub.answer).encode()
                self.send_response(stub.status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def glue(monkeypatch: pytest.MonkeyPatch) -> Iterator[GlueStub]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    stub = GlueStub()
    thread = threading.Thread(target=stub.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield stub
    stub.server.shutdown()
    stub.server.server_close()
    thread.join(10)


@pytest.fixture
def lookup(glue: GlueStub) -> Iterator[GlueLookup]:
    opened = GlueLookup("eu-west-1", 5.0, endpoint_url=glue.url)
    yield opened
    opened.close()


def test_an_avro_schema_version_is_read_with(glue, lookup):
    glue.answer = {
        "SchemaVersionId": VERSION,
        "SchemaDefinition": '"string"',
        "DataFormat": "AVRO",
        "Status": "AVAILABLE",
    }
    schema = lookup.fetch(f"glue:{VERSION}")
    assert isinstance(schema, AvroSchema)
    assert avro_value(schema, text("x")) == "x"
    assert glue.asked == [("AWSGlue.GetSchemaVersion", {"SchemaVersionId": VERSION})]


def test_json_and_protobuf(glue, lookup):
    glue.answer = {"SchemaDefinition": "{}", "DataFormat": "JSON"}
    assert lookup.fetch(f"glue:{VERSION}") == JsonSchema()
    glue.answer = {"SchemaDefinition": "x", "DataFormat": "PROTOBUF"}
    assert isinstance(lookup.fetch(f"glue:{VERSION}"), UnusableSchema)


def test_a_version_that_does_not_exist_is_unknown(glue, lookup):
    glue.status = 400
    glue.answer = {"__type": "EntityNotFoundException", "Message": "Schema version is not found."}
    assert lookup.fetch(f"glue:{VERSION}") == SchemaUnknown("AWS Glue in eu-west-1")
    assert lookup.probe() == "AWS Glue in eu-west-1 answers"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "AccessDeniedException"), (400, "ThrottlingException"), (500, "InternalServiceException")],
)
def test_every_other_answer_is_systemic(glue, lookup, status, code):
    glue.status, glue.answer = status, {"__type": code, "Message": "no"}
    with pytest.raises(RegistryUnavailable, match=code):
        lookup.fetch(f"glue:{VERSION}")
    assert len(glue.asked) == 1, "the back-off is the cache's, not boto3's"


def test_no_connection_is_systemic(glue, lookup):
    glue.server.shutdown()
    glue.server.server_close()
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        lookup.fetch(f"glue:{VERSION}")


def test_without_boto3_the_error_says_how_to_mend_it():
    script = (
        "import sys; sys.modules['boto3'] = None\n"
        "from connector.decode.lookup import open_lookup\n"
        "from connector.errors import SettingsError\n"
        "from connector.settings import SchemaRegistrySettings\n"
        "try:\n    open_lookup(SchemaRegistrySettings(glue_region='eu-west-1'))\n"
        "except SettingsError as error:\n    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'airship-connector[glue]'" in ran.stdout
