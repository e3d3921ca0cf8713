"""An endpoint that costs next to nothing: it reads any POST and answers 200, so that what is measured is the sender.

nginx where there is one on PATH, else a small server in a process of its own (`bench.yardsticks.stand_in`), which is
also used where answers are to come late.

    python -m bench.yardsticks.cheapest_endpoint    prints the address, serves until it is interrupted
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.directories import data_directory
from tests.support.processes import ChildFailedError, ChildProcess, free_port, wait_until

ANSWER = b'{"ok":true,"operation_id":"00000000-0000-4000-8000-000000000000"}'

_PORT_ATTEMPTS = 3
_START_SECONDS = 20.0
_CHECKOUT = Path(__file__).resolve().parents[2]

# The body is read to its end before the answer goes out, as an endpoint that looks at it must: `return` alone would
# answer when the head is there, and a client may then close the connection. `mirror` reads the body; a POST to a file
# is a 405, which becomes the file.
_NGINX_CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
pid {directory}/pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type application/json;
  client_max_body_size 16m;
  client_body_buffer_size 6m;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
  open_file_cache max=10 inactive=1h;
  open_file_cache_valid 1h;
  server {{
    listen 127.0.0.1:{port};
    root {directory}/files;
    location / {{
      mirror /-/read-the-body;
      error_page 403 404 405 =200 /answer.json;
    }}
    location = /answer.json {{ }}
    location = /-/read-the-body {{ internal; return 204; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    """Without a path."""
    description: str
    process: ChildProcess


@contextmanager
def cheapest_endpoint(delay_ms: int = 0, *, stand_in: bool = False, record: Path | None = None) -> Iterator[Endpoint]:
    """`delay_ms` is how late each answer comes; `stand_in` passes nginx over; `record`: as the stand-in has it.

    nginx can neither be late nor record.
    """
    nginx = None if delay_ms or stand_in or record else _find_nginx()
    with data_directory("endpoint") as directory:
        for _ in range(_PORT_ATTEMPTS):
            port = free_port()
            process = (
                _start_nginx(nginx, directory, port) if nginx else _start_stand_in(directory, port, delay_ms, record)
            )
            with process:
                try:
                    wait_until(lambda: process.listens_on(port), _START_SECONDS, "it listens", process)  # noqa: B023
                except ChildFailedError:
                    if "in use" not in process.log_text():
                        raise
                    continue
                name = "nginx" if nginx else f"the stand-in with {delay_ms} ms"
                yield Endpoint(f"http://127.0.0.1:{port}", f"{name} at 127.0.0.1:{port}", process)
                return
        raise ChildFailedError(f"the endpoint found its port taken {_PORT_ATTEMPTS} times in a row")


def _find_nginx() -> str | None:
    # Debian installs it where the PATH of an ordinary user does not look
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


def _start_nginx(program: str, directory: Path, port: int) -> ChildProcess:
    files = directory / "files"
    files.mkdir(exist_ok=True)
    (files / "answer.json").write_bytes(ANSWER)
    directory.chmod(0o755)  # a root's nginx serves as another user
    configuration = directory / "nginx.conf"
    configuration.write_text(_NGINX_CONFIGURATION.format(directory=directory, port=port))
    command = [program, "-p", str(directory), "-e", "stderr", "-c", str(configuration)]
    return ChildProcess("nginx", command, log_path=directory / "log")


def _start_stand_in(directory: Path, port: int, delay_ms: int, record: Path | None) -> ChildProcess:
    command = [sys.executable, "-m", "bench.yardsticks.stand_in", "--port", str(port), "--delay-ms", str(delay_ms)]
    if record is not None:
        command += ["--record", str(record)]
    return ChildProcess("the stand-in endpoint", command, log_path=directory / "log", directory=_CHECKOUT)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.yardsticks.cheapest_endpoint")
    parser.add_argument("--delay-ms", type=int, default=0, help="how late each answer comes; without nginx then")
    parser.add_argument("--stand-in", action="store_true", help="pass nginx over")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with cheapest_endpoint(arguments.delay_ms, stand_in=arguments.stand_in) as endpoint:
        print(f"endpoint: {endpoint.description}", file=sys.stderr)
        print(endpoint.url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
