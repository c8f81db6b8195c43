"""`llm-bus`, and `python -m llm_bus`."""

import gc

from llm_bus import enter

YOUNG_OBJECTS_MAX = 50_000
"""Imported modules stay, so to look for garbage every 700 objects costs a tenth of a server's start for nothing."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(YOUNG_OBJECTS_MAX)
    enter()
    from web.cli import entry  # noqa: PLC0415 - found only now

    entry.main()


if __name__ == "__main__":
    main()
