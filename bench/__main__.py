"""`python -m bench`: what an event costs, beside everything else that could carry it, in one run.

    python -m bench                             all parts
    python -m bench cost --only bare,avro       some systems
    python -m bench latency wall --quick        some parts, with few events: for development

`bench/README.md` says what each part measures and how to read it. Figures are recorded in `bench/results` unless the
run was a quick one or left systems out.
"""

from __future__ import annotations

import argparse

from bench.parts import PARTS, Options, tell
from bench.stage import running_stage
from bench.systems import BASE, SYSTEMS


def main() -> None:
    options, parts = _read_arguments()
    with running_stage() as stage:
        tell(", ".join(f"{name}: {what}" for name, what in stage.descriptions.items()))
        for name in parts:
            tell(f"-- {name}")
            PARTS[name](stage, options)


def _read_arguments() -> tuple[Options, list[str]]:
    known = [system.key for system in SYSTEMS]
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--quick", action="store_true", help="few events and repetitions; nothing is recorded")
    parser.add_argument("--only", metavar="SYSTEM,...", help=f"of {', '.join(known)}; the part cost alone")
    parser.add_argument("--repeat", type=int, metavar="N", help="repetitions; 3, with --quick 2")
    arguments = parser.parse_args()
    only = arguments.only.split(",") if arguments.only else known
    if unknown := [key for key in only if key not in known]:
        parser.error(f"--only: found {', '.join(unknown)}, expected some of {', '.join(known)}")
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"found {', '.join(unknown)}, expected some of {', '.join(PARTS)}")
    repetitions = arguments.repeat or (2 if arguments.quick else 3)
    options = Options(
        quick=arguments.quick,
        repetitions=repetitions,
        systems=tuple(dict.fromkeys([BASE, *only])),
        record=not arguments.quick and not arguments.only,
    )
    return options, arguments.parts or (["cost"] if arguments.only else list(PARTS))


if __name__ == "__main__":
    main()
