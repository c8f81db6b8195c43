"""The floor of the benchmark: Hypercorn on Trio as it comes, with the smallest application that reads and answers.

`python -m web.bench.echo` serves on a free port of the loopback until it is terminated. It reads a POST's body and
answers with a JSON object about as long as a claim's. No code of ours but this page is in its way.
"""

import signal
import socket
import sys
from contextlib import suppress

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from web.http.asgi import Receive, Scope, Send

_ANSWER = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\\"sequence\\":\\"adr\\",\\"number\\":1}"}],'
    b'"structuredContent":{"sequence":"adr","number":1,"formatted":"1","note":null}}}'
)
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_ANSWER)),
    (b"cache-control", b"no-store"),
]
_UNLIMITED = 2**62


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request alike, once its body is there."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER, "more_body": False})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def main() -> None:
    """Serve until terminated."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listening.fileno()}"]
    config.include_server_header = False
    # As in `web.http.serving`: connections are not closed after so many requests.
    config.keep_alive_max_requests = _UNLIMITED
    terminated = trio.Event()
    sys.stdout.write(f"listening on http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_signals, terminated)
        await serve(echo, config, shutdown_trigger=terminated.wait)  # type: ignore[arg-type]  # Hypercorn's own names
        nursery.cancel_scope.cancel()


async def _watch_signals(terminated: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            terminated.set()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(main)
