"""`llm-bus kit`, `join` and `worktree`: the adherence kit and identities, for repositories."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from kit.audit import audit
from kit.audit import told as told_findings
from kit.bus import Doubt
from kit.client_files import CLIENT_FILES
from kit.git import NotInGit
from kit.install import Refused, Wishes, install, told, uninstall
from kit.joining import Prepared, add_worktree, join
from kit.joining import told as prepared_lines
from web.cli.options import OptionalArgument, address, json_option
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

_AUDIT_EPILOG = """\b
For CI, with a token in LLM_BUS_TOKEN and, where the kit is not installed, LLM_BUS_URL:
\b
  llm-bus kit audit origin/main..HEAD
  llm-bus kit audit origin/main..HEAD --json
"""

_JOIN_EPILOG = """\b
In the clone that the session works in:
\b
  llm-bus join https://bus.example.com CODE --as carol
  llm-bus join https://bus.example.com CODE --json
"""

_WORKTREE_EPILOG = """\b
In a repository with the kit, and with a lead's token. It lies beside this one, as
REPOSITORY-NAME.
\b
  llm-bus worktree api
  llm-bus worktree api --json
"""


class _CouldNotTell(click.ClickException):
    """Neither right nor wrong: the bus or git did not say."""

    exit_code = 2


@click.group()
def kit() -> None:
    """What makes agents keep to the protocol, for repositories."""


@kit.command("install", epilog=_EPILOG)
@click.argument(
    "directory",
    cls=OptionalArgument,
    metavar="[DIR]",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--uninstall", "takes_out", is_flag=True, help="Take it out, and restore what was there.")
@click.option("--with-wiki", is_flag=True, help="Begin a wiki for agents in docs/wiki; nothing there is overwritten.")
@click.option("--lead", is_flag=True, help="Instructions for an agent that leads.")
@click.option("--server", metavar="URL", callback=address, help="Where the bus is. [as before, PUBLIC_URL, here]")
@click.option("--project", metavar="SLUG", help="The project that the repository belongs to.")
@click.option("--client", "clients", multiple=True, type=click.Choice(["all", *CLIENT_FILES]), help="Its hooks too.")
@click.option("--insecure", is_flag=True, help="Allow plain HTTP beyond this machine.")
@click.option("--shared-hooks", is_flag=True, help="Allow hooks that several repositories share.")
@click.option("--http-hooks/--no-http-hooks", default=None, help="Whether Claude Code asks the bus by itself. [yes]")
@json_option
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
    http_hooks: bool | None,
    as_json: bool,
) -> int:
    """Install the adherence kit into a repository.

    DIR is anywhere in it; default: here.
    """
    settings = read_settings()
    wishes = Wishes(
        server=server,
        default_server=settings.public_url or settings.local_url,
        project=project,
        lead=lead,
        with_wiki=with_wiki,
        clients=clients,
        insecure=insecure,
        shared_hooks=shared_hooks,
        http_hooks=http_hooks,
    )
    with _refusals_told():
        outcome = uninstall(directory, wishes) if takes_out else install(directory, wishes)
    if outcome.changes and not takes_out:
        note(f"Commit these files, and give every agent its own {TOKEN_VARIABLE}.")
    _say(asdict(outcome), told(outcome), as_json=as_json)
    return 1 if outcome.problems else 0


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Raise what the kit refuses as the command's error, on one line."""
    try:
        yield
    except (Refused, NotInGit) as reason:
        raise click.ClickException("; ".join(str(reason).splitlines())) from reason


def _say(document: Mapping[str, object], lines: list[str], *, as_json: bool) -> None:
    """What was done: one JSON object, or the same in lines."""
    for line in [json.dumps(document)] if as_json else lines:
        say(line)


@kit.command("audit", epilog=_AUDIT_EPILOG)
@click.argument("commits", metavar="[RANGE]", default="HEAD")
@json_option
def audit_kit(commits: str, *, as_json: bool) -> int:
    """Compare the numbers in a RANGE of commits with the ledger.

    It looks at the files that they added. It exits with 1 when a number was claimed by nobody, is in two files, or was
    claimed for another file, and with 2 when that could not be told.
    """
    try:
        found = audit(Path.cwd(), commits)
    except (Doubt, NotInGit) as reason:
        raise _CouldNotTell(str(reason)) from reason
    _say({"findings": [asdict(finding) for finding in found]}, told_findings(found), as_json=as_json)
    return 1 if found else 0


@click.command("join", epilog=_JOIN_EPILOG)
@click.argument("url", callback=address)
@click.argument("code")
@click.option("--as", "name", metavar="NAME", help="The name to join under, unless the invite has one.")
@click.option("--insecure", is_flag=True, help="Allow plain HTTP beyond this machine.")
@json_option
def join_bus(url: str, code: str, *, name: str | None, insecure: bool, as_json: bool) -> int:
    """Redeem an invite and prepare this work tree for a session.

    CODE is the invite's, URL the address of the bus.
    """
    return _prepare(lambda: join(Path.cwd(), Wishes(server=url, insecure=insecure), code, name), as_json=as_json)


@click.command("worktree", epilog=_WORKTREE_EPILOG)
@click.argument("name")
@json_option
def worktree(name: str, *, as_json: bool) -> int:
    """Add a work tree for a session, with an identity. For leads.

    Its branch, its directory and its identity are called NAME; a slash is a hyphen in the latter two.
    """
    return _prepare(lambda: add_worktree(Path.cwd(), name), as_json=as_json)


def _prepare(prepare: Callable[[], Prepared], *, as_json: bool) -> int:
    with _refusals_told():
        prepared = prepare()
    _say(asdict(prepared), prepared_lines(prepared), as_json=as_json)
    return 1 if prepared.problems else 0
