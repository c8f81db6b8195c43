"""A client that closes its side is noticed while its request waits, whatever it sent before."""

import socket
from time import monotonic

import pytest

from web.http.departures import Departures


@pytest.mark.parametrize("unread", [b"", b"GET /healthz HTTP/1.1\r\n"])
def test_a_client_that_leaves_is_told_of_and_one_that_stays_is_not(unread: bytes) -> None:
    departures, left = Departures(), list[str]()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        leaver, stayer = (socket.create_connection(listening.getsockname()) for _ in range(2))
        accepted = [listening.accept()[0] for _ in range(2)]
        with leaver, stayer, accepted[0], accepted[1]:
            with (
                departures.watched(accepted[0], lambda: left.append("leaver")),
                departures.watched(accepted[1], lambda: left.append("stayer")),
            ):
                leaver.sendall(unread)
                stayer.sendall(b"something")
                departures.look()
                assert left == []
                leaver.shutdown(socket.SHUT_WR)
                until = monotonic() + 20
                while not left and monotonic() < until:
                    departures.look()
                assert left == ["leaver"]
            departures.look()
            assert left == ["leaver"], "nobody is watched any more"
