"""The architecture page names what there is."""

import re
from pathlib import Path
from pkgutil import resolve_name

from web.mcp.tools import TOOLS

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")
PICTURE = (Path(__file__).parents[2] / "docs" / "images" / "architecture.svg").read_text("utf-8")
FLOORS = ("web", "actors", "store", "engine", "kit")


def test_every_floor_has_its_row() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == FLOORS


def test_the_picture_counts_the_tools() -> None:
    assert f">{len(TOOLS)} tools<" in PICTURE


def test_whatever_it_names_exists() -> None:
    named = re.findall(rf"`((?:{'|'.join(FLOORS)})(?:\.\w+)+)`", PAGE)
    assert named
    for name in named:
        resolve_name(name)
