"""`llm-bus connect`: prints how an agent client is connected to a bus, and changes nothing."""

import click
import msgspec

from web.cli.options import json_option, url_option
from web.cli.terminal import note, say, say_json
from web.config import read_bus_url, read_token
from web.onboarding.clients import CLIENTS, Setup, setup_for
from web.onboarding.texts import TOKEN_VARIABLE

_EPILOG = """\b
The command or the content of the file is printed alone, so that it can be piped;
what to do with it is said on standard error.
\b
  llm-bus connect --client claude-code
  llm-bus connect --client cursor --url https://bus.example.com > .cursor/mcp.json
  llm-bus connect --client codex --json
\b
No token is printed: the client takes it from LLM_BUS_TOKEN in its environment (VS Code
asks for it). 'llm-bus token mint --help' says how to get one; a lead's invite does too.
\b
A client that is not listed needs Streamable HTTP at the bus's /mcp and the header
'Authorization: Bearer <token>'; one that can only start a program runs 'llm-bus stdio'.
"""


@click.command(epilog=_EPILOG)
@click.option("--client", required=True, type=click.Choice(CLIENTS), help="Which client is to be connected.")
@url_option("The bus's address. [LLM_BUS_URL, or that of the server on this machine]")
@json_option
def connect(client: str, url: str | None, *, as_json: bool) -> None:
    """Print how to connect a CLIENT. It is a command to run, or a file to write."""
    setup = setup_for(client, url or read_bus_url())
    if as_json:
        say_json({"client": client, **msgspec.structs.asdict(setup)})
        return
    say(setup.command or setup.content.rstrip("\n"))
    for line in _advice(setup):
        note(line)


def _advice(setup: Setup) -> list[str]:
    to_do = "run this." if setup.command else f"put this into {setup.path}, beside what it holds already."
    return [f"{setup.name}: {to_do} {setup.then}", *_about_the_token(setup)]


def _about_the_token(setup: Setup) -> list[str]:
    if TOKEN_VARIABLE not in (setup.command or setup.content):
        return []
    if read_token():
        return [f"The token comes from {TOKEN_VARIABLE}, which is set here: start the client from this shell."]
    return [f"The token comes from {TOKEN_VARIABLE}, which is not set here: export it in the shell of the client."]
