"""The image of Apache Kafka that the tests' provider starts: the official one, else one made of what is here.

That one is Kafka's jars from Maven Central and this machine's Java on a Python base. It takes its settings from the
same variables, because the class that reads them in the official image is in Kafka's own jar.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.image.commands import run
from tests.support.container_kafka import IMAGE as OFFICIAL
from tests.support.directories import data_directory
from tests.support.docker_engine import require_image
from tests.support.java import find_java, resolved_from_maven
from tests.support.parts import PartUnavailableError

MADE_HERE = "airship-connector-tests/kafka:4.3.1"

_JAVA_MAJOR_MIN = 17
_BUILD_SECONDS = 300
_NOT_NEEDED = shutil.ignore_patterns("jmods", "man", "legal", "docs", "include", "ct.sym", "src.zip", "demo")
_POM = Path(__file__).resolve().parents[1] / "support" / "kafka.pom.xml"

_DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY java /opt/java
COPY libs /opt/kafka/libs
COPY docker /etc/kafka/docker
WORKDIR /mnt/shared/config
WORKDIR /opt/kafka/config
CMD ["sh", "/etc/kafka/docker/run"]
"""
_RUN = """\
set -e
export CLUSTER_ID="${CLUSTER_ID:-YWlyc2hpcC1jb25uZWN0bw}"
java="/opt/java/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp /opt/kafka/libs/*"
set -f
if ! told=$($java kafka.docker.KafkaDockerWrapper setup --default-configs-dir /etc/kafka/docker \\
    --mounted-configs-dir /mnt/shared/config --final-configs-dir /opt/kafka/config 2>&1); then
    # so it is when the container is started again, and as it should be
    case "$told" in *"already formatted"*) ;; *) echo "$told"; exit 1 ;; esac
fi
exec $java $KAFKA_HEAP_OPTS kafka.Kafka /opt/kafka/config/server.properties
"""


def kafka_image(base: str) -> str:
    """Raises `PartUnavailableError` where neither can be had."""
    try:
        require_image(OFFICIAL)
    except PartUnavailableError:
        _make(base)
        return MADE_HERE
    return OFFICIAL


def _make(base: str) -> None:
    java = find_java(_JAVA_MAJOR_MIN)
    jars = resolved_from_maven(_POM, java)
    with data_directory("kafka-image") as context:
        shutil.copytree(java.home, context / "java", ignore=_NOT_NEEDED, ignore_dangling_symlinks=True)
        shutil.copytree(jars, context / "libs")
        settings = context / "docker"
        settings.mkdir()
        (settings / "run").write_text(_RUN, encoding="utf-8")
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):  # the reader of variables wants them
            (settings / name).write_text("", encoding="utf-8")
        (context / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
        run(
            ["docker", "build", "--tag", MADE_HERE, "--build-arg", f"PYTHON_IMAGE={base}", str(context)], _BUILD_SECONDS
        )
