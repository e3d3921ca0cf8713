"""The systems that are compared, and how each of them is made to carry a topic to its end.

`bench/README.md` says for each peer why it is configured as it is here.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

from bench.children import Used, run_child
from bench.commands import Command, connector_command, program_command
from bench.dataset import Shape
from bench.group_progress import GroupProgress
from bench.stage import Dataset, Stage

Kind: TypeAlias = Literal["program", "connector", "redpanda-connect"]

REDPANDA_CONNECT = "redpanda-connect"
REDPANDA_CONFIGURATIONS = Path(__file__).parent / "peers" / "redpanda_connect"


@dataclass(frozen=True, slots=True)
class System:
    """`key` is what `--only` takes; `module` and `flag`: the program of a yardstick or a peer."""

    key: str
    title: str
    kind: Kind
    shape: Shape
    module: str = ""
    flag: str = ""
    posts: bool = True
    times_bare_max: float | None = None
    """The target: CPU of an event, as a multiple of the bare primitives'."""

    def missing(self) -> str | None:
        """Why it cannot be run here."""
        if self.kind == "redpanda-connect" and shutil.which(REDPANDA_CONNECT) is None:
            return f"not run: no `{REDPANDA_CONNECT}` on the PATH, and no package registry has it"
        return None


BASE = "bare"
SYSTEMS: tuple[System, ...] = (
    System("consume", "consume only", "program", "event", "bench.yardsticks.consume_only", posts=False),
    System(BASE, "bare primitives", "program", "event", "bench.yardsticks.bare_primitives"),
    System("pass-through", "connector, pass-through", "connector", "event", times_bare_max=1.3),
    System("mapped", "connector, JSON mapped", "connector", "order", times_bare_max=2.0),
    System("avro", "connector, Avro mapped", "connector", "order-avro", times_bare_max=2.3),
    System("plain", "plain loop", "program", "event", "bench.peers.plain_loop"),
    System("arroyo", "arroyo, in threads", "program", "event", "bench.peers.arroyo_loop"),
    System(
        "arroyo-in-line", "arroyo, one request at a time", "program", "event", "bench.peers.arroyo_loop", "--in-line"
    ),
    System("redpanda", "Redpanda Connect, pass-through", "redpanda-connect", "event"),
    System("redpanda-mapped", "Redpanda Connect, JSON mapped", "redpanda-connect", "order"),
    System("redpanda-avro", "Redpanda Connect, Avro mapped", "redpanda-connect", "order-avro"),
)


def carry(stage: Stage, system: System, count: int) -> Used:
    """The system reads `count` events to their end; raises when it does not get there."""
    topic = stage.topic(Dataset(system.shape, count))
    match system.kind:
        case "program":
            more = ["--endpoint", stage.endpoint_url] if system.posts else []
            more += [system.flag] if system.flag else []
            command = program_command(stage, system.module, topic, count, *more)
            return run_child(stage.name(system.key), command, stage.directory)
        case "connector":
            return run_child(stage.name(system.key), connector_command(stage, topic, system.shape), stage.directory)
        case "redpanda-connect":
            return _redpanda_connect(stage, system, topic)
        case _:
            assert_never(system.kind)


def _redpanda_connect(stage: Stage, system: System, topic: str) -> Used:
    """It has no end of its own: it is asked to stop when its group has committed everything."""
    group = stage.name("group")
    environment = {
        "BOOTSTRAP_SERVERS": stage.bootstrap_servers,
        "TOPIC": topic,
        "GROUP": group,
        "ENDPOINT": stage.endpoint_url,
        "REGISTRY": stage.registry_url,
    }
    command: Command = [REDPANDA_CONNECT, "run", REDPANDA_CONFIGURATIONS / f"{system.shape}.yaml"]
    progress = GroupProgress(stage.bootstrap_servers, group, topic)
    name = stage.name(system.key)
    return run_child(name, command, stage.directory, environment=environment, is_done=progress.is_at_end)
