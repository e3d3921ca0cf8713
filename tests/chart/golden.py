"""The golden renders: each file in ci/ as Helm renders it, so that a review shows what a change of the chart changes.

python -m tests.chart.golden     writes them anew
"""

from __future__ import annotations

from pathlib import Path

from tests.chart.rendering import SITUATIONS, manifests, values_of

GOLDEN = Path(__file__).parent / "golden"

# Long, tested on their own, and installed as they are.
_LEFT_OUT = {"templates/NOTES.txt", "templates/dashboard.yaml", "templates/prometheusrule.yaml"}


def golden_text(situation: str) -> str:
    parts: list[str] = []
    for path, text in manifests(values_of(situation)).items():
        if text.strip() and path not in _LEFT_OUT:
            lines = [line.rstrip() for line in text.strip().splitlines()]
            parts.append(f"# {path}\n" + "\n".join(lines) + "\n")
    return "---\n".join(parts)


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.yaml"):
        if path.stem not in SITUATIONS:
            path.unlink()
    for situation in SITUATIONS:
        (GOLDEN / f"{situation}.yaml").write_text(golden_text(situation), encoding="utf-8")


if __name__ == "__main__":
    main()
