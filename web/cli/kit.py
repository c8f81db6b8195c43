"""`llm-bus kit install`: put the adherence kit into a repository, or take it out again."""

from pathlib import Path

import click

from kit.client_files import CLIENT_FILES
from kit.git import NotInGit
from kit.install import Outcome, Refused, Wishes, install, told, uninstall
from web.cli.terminal import note, say
from web.config import read_settings
from web.onboarding.texts import TOKEN_VARIABLE

_EPILOG = """\b
Into the repository around DIR: a pre-commit hook, hooks and instructions for agents,
and llm-bus.config.json, which says which files are numbered. Again brings it up to date.
\b
  llm-bus kit install --server https://bus.example.com
  llm-bus kit install ../shop --with-wiki
  llm-bus kit install --uninstall
"""


def _without_path(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"'{url}' must look like http://127.0.0.1:8787.")
    return url and url.rstrip("/").removesuffix("/mcp")


@click.group()
def kit() -> None:
    """What makes agents keep to the protocol, for repositories."""


@kit.command("install", epilog=_EPILOG)
@click.argument(
    "directory", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--uninstall", "takes_out", is_flag=True, help="Take it out, and restore what was there.")
@click.option("--with-wiki", is_flag=True, help="Begin a wiki for agents in docs/wiki; nothing there is overwritten.")
@click.option("--lead", is_flag=True, help="Instructions for an agent that leads.")
@click.option("--server", metavar="URL", callback=_without_path, help="Where the bus is. [PUBLIC_URL, this machine]")
@click.option("--project", metavar="SLUG", help="The project that the repository belongs to.")
@click.option("--client", "clients", multiple=True, type=click.Choice(["all", *CLIENT_FILES]), help="Its hooks too.")
@click.option("--insecure", is_flag=True, help="Allow plain HTTP beyond this machine.")
@click.option("--shared-hooks", is_flag=True, help="Allow hooks that several repositories share.")
def install_kit(
    directory: Path,
    *,
    takes_out: bool,
    with_wiki: bool,
    lead: bool,
    server: str | None,
    project: str | None,
    clients: tuple[str, ...],
    insecure: bool,
    shared_hooks: bool,
) -> int:
    """Install the adherence kit into the repository around DIR (default: here)."""
    settings = read_settings()
    wishes = Wishes(
        server=server or settings.public_url or (None if takes_out else settings.local_url),
        project=project,
        lead=lead,
        with_wiki=with_wiki,
        clients=clients,
        insecure=insecure,
        shared_hooks=shared_hooks,
    )
    try:
        outcome = uninstall(directory, wishes) if takes_out else install(directory, wishes)
    except (Refused, NotInGit) as reason:
        raise click.ClickException("; ".join(str(reason).splitlines())) from reason
    if outcome.changes and not takes_out:
        note(f"Commit these files, and give every agent its own {TOKEN_VARIABLE}.")
    return _tell(outcome)


def _tell(outcome: Outcome) -> int:
    for line in told(outcome):
        say(line)
    return 1 if outcome.problems else 0
