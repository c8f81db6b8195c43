"""Ports for programs that must be told one before they start.

Between the question and the program's start, another process may take the port. So it is none of those that a system
gives to whoever names none, such as every other server and client of the tests: they begin at 32768 or later.
"""

import random
import socket
from contextlib import suppress

_PORTS = range(10_000, 30_000)
_CHANCE = random.SystemRandom()  # the usual one gives the same ports in every process, by pytest-randomly


def free_port() -> int:
    """A port on the loopback at which nobody listens."""
    while True:
        port = _CHANCE.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
