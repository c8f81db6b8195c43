"""The limit of the benchmark: an echo on Trio over `httptools`, the parser that our server reads with.

`python -m web.bench.limit` serves on a free port of the loopback until it is terminated. It parses each request, reads
the id of the JSON-RPC message in its body and answers with an object about as long as a claim's.
"""

import json
import sys

import httptools
import trio

READ_BYTES_MAX = 65_536

_ANSWER = (
    b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"{\\"sequence\\":\\"adr\\"}"}],'
    b'"structuredContent":{"sequence":"adr","number":1,"formatted":"1","note":null}}}'
)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\ncache-control: no-store\r\n\r\n"


class _Bodies:
    """Collects the bodies of complete requests."""

    def __init__(self) -> None:
        self.complete: list[bytes] = []
        self._body = b""

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self.complete.append(self._body)


async def echo(stream: trio.SocketStream) -> None:
    """Answer every request on a connection, until the client closes it."""
    bodies = _Bodies()
    parser = httptools.HttpRequestParser(bodies)
    async with stream:
        try:
            while data := await stream.receive_some(READ_BYTES_MAX):
                parser.feed_data(bytes(data))
                for body in bodies.complete:
                    answer = _ANSWER % json.loads(body)["id"]
                    await stream.send_all(_HEAD % len(answer) + answer)
                bodies.complete.clear()
        except trio.BrokenResourceError:
            pass  # the load generator ended


async def main() -> None:
    """Serve until terminated."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    sys.stdout.write(f"listening on http://127.0.0.1:{listeners[0].socket.getsockname()[1]}\n")
    sys.stdout.flush()
    await trio.serve_listeners(echo, listeners)


if __name__ == "__main__":
    trio.run(main)
