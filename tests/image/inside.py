"""Run by the image's own Python: prints as JSON what is there, as its user sees it. Needs nothing but Python."""

import importlib.metadata
import importlib.util
import json
import os
import sys
from pathlib import Path

HOME = Path("/opt/airship-connector")
LIBRARY = Path(importlib.util.find_spec("connector").origin).parents[1]  # type: ignore[union-attr, arg-type]
_UNCHECKED_HASH = 1


def main() -> None:
    everything = [HOME, *HOME.rglob("*")]
    own = [path for path in everything if not path.is_symlink()]
    sources = [path for path in own if path.suffix == ".py"]
    code = {source: Path(importlib.util.cache_from_source(str(source))) for source in sources}
    found = {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "writable": [str(path) for path in own if os.access(path, os.W_OK)],
        "not_roots": [str(path) for path in own if path.stat().st_uid != 0],
        "set_id": [str(path) for path in own if path.stat().st_mode & 0o6000],
        "programs": sorted(path.name for path in (HOME / "bin").iterdir()),
        "sources": len(sources),
        "without_code": [str(source) for source, compiled in code.items() if not compiled.exists()],
        "checked_code": [
            str(compiled)
            for compiled in code.values()
            if compiled.exists() and int.from_bytes(compiled.read_bytes()[4:8], "little") != _UNCHECKED_HASH
        ],
        "packages": sorted(each.metadata["Name"] for each in importlib.metadata.distributions(path=[str(LIBRARY)])),
        "secrets": [str(path) for path in Path("/run/secrets").rglob("*")] if Path("/run/secrets").exists() else [],
        "prefix": sys.prefix,
        "sbom": json.loads((HOME / "share" / "sbom.cdx.json").read_text()),
        "licences": (HOME / "share" / "licences.txt").read_text(),
    }
    print(json.dumps(found))


main()
