"""The one name that the distribution brings into an environment.

The source's folders (`engine`, `actors`, `store`, `web`, `kit`) import each other by these short names, which other
distributions use, too: web.py brings a `web`. Installed, they lie inside this package, where nobody else finds them. A
process that runs LLM Bus calls `enter` first, which puts their directory at the head of its own module path; no other
process notices.
"""

import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent

HOME = next(place for place in (_HERE, _HERE.parent) if (place / "engine" / "__init__.py").is_file())
"""Where the folders are: in here when installed, beside this package in a checkout."""


def enter() -> None:
    """Let this process import LLM Bus's folders by their short names, before all others of the same names."""
    if os.name == "nt":
        sys.exit("llm-bus: it runs on Linux and macOS; on Windows, run it in WSL.")
    home = str(HOME)
    sys.path[:] = [home, *(place for place in sys.path if place != home)]
