"""The kit's own HTTP: what it reads, and what it refuses to."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from kit.http import ANSWER_BYTES_MAX, Connection, Malformed

OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"Content-Type: text/event-stream\r\n"


@contextmanager
def serving(*answers: bytes, host: str = "127.0.0.1") -> Iterator[Connection]:
    """A connection to a server that sends each answer on one connection, and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for answer in answers:
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        asking = Connection(host, listener.getsockname()[1], tls=False, timeout_seconds=10)
        try:
            yield asking
        finally:
            asking.close()
            thread.join(10)


READ = {
    "a length": (OK + b"Content-Length: 2\r\n\r\nok", b"ok"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nTrailer: x\r\n\r\n", b"ok"),
    "the end of the connection": (OK + b"\r\nok", b"ok"),
    "no body": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "a word in between": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", b"ok"),
    "an event": (EVENTS + b'\r\n: hello\n\nevent: message\ndata: {"result": 1}\n\n', b' {"result": 1}'),
    "an event in pieces": (
        EVENTS
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % byte for byte in b'id: 1\ndata: {"error": 1}\n'),
        b' {"error": 1}',
    ),
    "hints in between": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\n1", b"1"),
    "no event": (EVENTS + b"\r\n: hello\n\n", b""),
}

REFUSED = {
    "no answer": b"",
    "another protocol": b"SSH-2.0-x\r\n",
    "a length that is none": OK + b"Content-Length: -1\r\n\r\n",
    "a chunk that is none": OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "too long": OK + b"Content-Length: %d\r\n\r\n" % (ANSWER_BYTES_MAX + 1),
    "too short": OK + b"Content-Length: 3\r\n\r\nok",
    "headers that do not end": OK + b"X: y\r\n" * 200,
    "words in between without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
    "trailers without end": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 1_000,
    "chunks that are too much": OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (ANSWER_BYTES_MAX + 1),
    "a header that is none": OK + b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("name", READ)
def test_an_answer_is_read_to_its_end(name: str) -> None:
    answer, expected = READ[name]
    with serving(answer) as connection:
        assert connection.post("/mcp", b"{}", {})[2] == expected


def test_a_connection_is_kept() -> None:
    answer = OK + b"Content-Length: 1\r\nMcp-Session-Id: s\r\n\r\n"
    with serving(answer + b"1", answer + b"2") as connection:
        status, headers, body = connection.post("/mcp", b"{}", {})
        assert (status, headers["mcp-session-id"], body) == (200, "s", b"1")
        assert connection.post("/mcp", b"{}", {})[2] == b"2"


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_that_makes_no_sense_is_an_error(name: str) -> None:
    with serving(REFUSED[name]) as connection, pytest.raises(OSError, match=r"\w"):
        connection.post("/mcp", b"{}", {})


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1", OK + b"Connection: close\r\nContent-Length: 1\r\n\r\n1"],
)
def test_a_connection_that_will_not_be_kept_is_made_anew(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        asking = Connection("127.0.0.1", listener.getsockname()[1], tls=False, timeout_seconds=10)
        assert [asking.post("/mcp", b"{}", {})[2] for _ in range(2)] == [b"1", b"1"]
        thread.join(10)


@pytest.mark.parametrize("answer", [b"", OK + b"X: ", OK + b"Content-Length: 100000\r\n\r\n"])
def test_a_server_that_dribbles_does_not_hold_a_request_beyond_its_deadline(answer: bytes) -> None:
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(answer)
                while not ended.wait(0.05):
                    connection.sendall(b" ")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        asking = Connection("127.0.0.1", listener.getsockname()[1], tls=False, timeout_seconds=0.5)
        try:
            with pytest.raises(TimeoutError):
                asking.post("/mcp", b"{}", {})
        finally:
            ended.set()
            thread.join(10)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\rX: y", "a\nb", "a\0b", "\u00e9"])
def test_a_header_that_would_be_two_is_not_sent(value: str) -> None:
    connection = Connection("127.0.0.1", 9, tls=False, timeout_seconds=1)
    with pytest.raises(Malformed):
        connection.post("/mcp", b"{}", {"Mcp-Session-Id": value})


def test_a_host_may_have_letters_of_other_languages() -> None:
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in "localhost")
    with serving(READ["a length"][0], host=wide) as connection:
        assert connection.post("/mcp", b"{}", {})[2] == b"ok"


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/\u00e9"])
def test_a_path_that_would_be_another_request_is_not_sent(path: str) -> None:
    connection = Connection("127.0.0.1", 9, tls=False, timeout_seconds=1)
    with pytest.raises(Malformed):
        connection.post(path, b"{}", {})
