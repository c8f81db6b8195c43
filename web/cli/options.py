"""Options that several commands share, and how they are spelled.

Flags go before the environment, which only `web.config` reads; so no option here has an `envvar`, and its help names
the variable instead.
"""

from collections.abc import Callable
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])


def data_options(command: Command) -> Command:
    """`--database-url` and `--data-dir`, which every command that touches data takes."""
    command = click.option(
        "--data-dir",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Where the embedded PostgreSQL keeps its data; default: the user's data directory. [LLM_BUS_DATA_DIR]",
    )(command)
    return click.option(
        "--database-url",
        metavar="URL",
        help="PostgreSQL 15 to 18, as postgresql://user@host/name; default: the embedded one. [DATABASE_URL]",
    )(command)


def address_options(command: Command) -> Command:
    """How a server is reached and how it logs: host, port, public URL, allowed hosts, log format."""
    for option in (
        click.option("--log-format", type=click.Choice(["text", "json"]), help="How to log. [LOG_FORMAT, text]"),
        click.option("--allowed-hosts", metavar="NAMES", help="More names it answers to, with commas. [ALLOWED_HOSTS]"),
        public_url_option,
        port_option,
        click.option("--host", metavar="HOST", help="The address to listen on. [HOST, 127.0.0.1]"),
    ):
        command = option(command)
    return command


def port_option(command: Command) -> Command:
    """`--port`."""
    return click.option("--port", metavar="PORT", help="The server's port; 0 is any free one. [PORT, 8787]")(command)


def public_url_option(command: Command) -> Command:
    """`--public-url`."""
    option = click.option("--public-url", metavar="URL", help="Where clients reach it, when that differs. [PUBLIC_URL]")
    return option(command)


def url_option(text: str) -> Callable[[Command], Command]:
    """`--url` of a running server, without the /mcp at its end."""

    def strip(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"'{url}' must look like http://127.0.0.1:8787.")
        return url and url.rstrip("/").removesuffix("/mcp")

    return click.option("--url", metavar="URL", callback=strip, help=text)
