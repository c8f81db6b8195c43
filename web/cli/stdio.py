"""`llm-bus stdio`: the bus for hosts that start a program instead of opening a connection."""

import signal

import click
import trio

from web.cli.options import url_option
from web.config import read_bus_url, read_token

_EPILOG = """\b
The same tools as at the bus's /mcp, over standard input and output. In the configuration
of a host that starts its MCP servers:
\b
  {"mcpServers": {"llm-bus": {"command": "llm-bus", "args": ["stdio"],
    "env": {"LLM_BUS_URL": "https://bus.example.com", "LLM_BUS_TOKEN": "<token>"}}}}
\b
By hand, with one JSON-RPC message a line:
  LLM_BUS_TOKEN=… llm-bus stdio --url https://bus.example.com
\b
Without a token it lists the tools and answers calls with how to get one; while the bus is
down, with what to do meanwhile. A client that speaks Streamable HTTP needs none of this:
see 'llm-bus connect --help'.
"""


@click.command(epilog=_EPILOG)
@url_option("The bus's address. [LLM_BUS_URL, or that of the server on this machine]")
def stdio(url: str | None) -> None:
    """Be an MCP server over stdin and stdout. The token is LLM_BUS_TOKEN in the environment."""
    from web.cli.stdio_bridge import serve_stdio  # noqa: PLC0415 - half a second that --help need not wait for

    bus_url, token = url or read_bus_url(), read_token()
    # A thread waits for input, which no cancellation reaches: Ctrl-C has to end the process as a whole.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    trio.run(serve_stdio, bus_url, token)
