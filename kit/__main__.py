#!/usr/bin/env python3
"""The kit's entry: commands by their name, the hook for everything else.

It runs as the `__main__` of `kit.pyz`, and as a script from a checkout, which is how the pre-commit framework starts
it. The first lines must be readable by a Python that is too old for the rest.
"""

import contextlib
import importlib
import os
import sys

OLDEST = (3, 9)
COMMANDS = ("install", "uninstall", "worktree", "audit", "--help", "-h")


def main():  # type: ignore[no-untyped-def]  # noqa: D103 - annotations came after the Pythons that may read this
    name = sys.argv[1] if sys.argv[1:] and sys.argv[1] in COMMANDS else None
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        manner = "nothing was done" if name else "not checked, going on"
        sys.stderr.write("llm-bus: " + manner + ": Python 3.9 or later is needed, this is " + found + "\n")
        return 1 if name else 0
    package = os.path.dirname(os.path.abspath(__file__))
    if os.path.basename(package) == "kit":  # not the archive, which Python itself looks into
        sys.path.insert(0, os.path.dirname(package))
    return importlib.import_module("kit.command_line" if name else "kit.hook").main(sys.argv[1:])


if __name__ == "__main__":
    try:
        code = main()  # type: ignore[no-untyped-call]
    except KeyboardInterrupt:
        code = 130
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    # Not sys.exit: a thread that still waits for a name server would have to be waited for.
    os._exit(code)
