"""The kit's commands: `install`, `uninstall`, `worktree` and `audit`, as `install.sh` and the copy in `.git` run them.

They exit with 0 when all is well, with 1 when something is not (a refusal, a problem, a finding), and with 2 when they
were called wrongly; `audit` also when it could not tell. `--json` prints one object, with the fields of what was done.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kit.audit import audit
from kit.audit import told as told_findings
from kit.bus import Doubt
from kit.client_files import CLIENT_FILES
from kit.git import NotInGit
from kit.install import DEFAULT_SERVER, Outcome, Refused, Wishes, install, uninstall
from kit.install import told as told_changes
from kit.joining import Prepared, add_worktree, join
from kit.joining import told as told_prepared
from kit.settings import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_WELL, UNKNOWN = 1, 2

_ABOUT = """\
The kit of LLM Bus in this repository.

  kit=$(git rev-parse --git-common-dir)/llm-bus/kit.pyz
  python3 -I "$kit" install              bring it up to date
  python3 -I "$kit" worktree api         add a work tree with an identity
  python3 -I "$kit" audit main..HEAD     compare numbers with the ledger

The hooks of git and of agents start the same file with --staged, --client and others.
"""

_INSTALL_EXAMPLES = """\
Again brings it up to date. It exits with 1 when something was refused or left alone.

  kit.pyz install --server https://bus.example.com
  kit.pyz install --client codex --json
  kit.pyz install --server https://bus.example.com --join CODE --as carol
"""

_UNINSTALL_EXAMPLES = """\
What was there before is restored, byte for byte where nobody has changed it since.

  kit.pyz uninstall
  kit.pyz uninstall ../shop --json
"""

_WORKTREE_EXAMPLES = """\
It lies beside this one, as REPOSITORY-NAME; a slash in NAME is a hyphen there.
It exits with 1 when it was refused.

  kit.pyz worktree api
  kit.pyz worktree api --json
"""

_AUDIT_EXAMPLES = """\
It exits with 0 when every number is right, with 1 when one is not, and with 2 when it
could not tell. For CI: a token in LLM_BUS_TOKEN and, where the kit is not installed,
the address in LLM_BUS_URL.

  kit.pyz audit origin/main..HEAD
  kit.pyz audit origin/main..HEAD --json
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command, and give its exit code."""
    given = _parser().parse_args(_with_code(arguments))
    try:
        code: int = given.run(given)
    except (Refused, NotInGit, Doubt) as reason:
        sys.stderr.write("".join(f"{given.command}: {row}\n" for row in str(reason).splitlines()))
        return UNKNOWN if given.command == "audit" else NOT_WELL
    return code


def _with_code(arguments: Sequence[str]) -> list[str]:
    """The arguments; the code of an older bus may begin with a hyphen, and is no option all the same."""
    if "--join" not in arguments[:-1]:
        return list(arguments)
    at = arguments.index("--join")
    return [*arguments[:at], f"--join={arguments[at + 1]}", *arguments[at + 2 :]]


def _install(given: argparse.Namespace) -> int:
    if given.uninstall:
        return _uninstall(given)
    wishes = Wishes(
        server=given.server,
        project=given.project,
        token_variable=given.token_env,
        lead=given.lead,
        with_wiki=given.with_wiki,
        insecure=given.insecure,
        shared_hooks=given.shared_hooks,
        http_hooks=given.http_hooks,
        clients=tuple(given.client),
    )
    if given.join:
        return _say_prepared(join(given.directory, wishes, given.join, given.name), as_json=given.json)
    return _say_changes(install(given.directory, wishes), as_json=given.json)


def _uninstall(given: argparse.Namespace) -> int:
    return _say_changes(uninstall(given.directory, Wishes(shared_hooks=given.shared_hooks)), as_json=given.json)


def _worktree(given: argparse.Namespace) -> int:
    return _say_prepared(add_worktree(Path(), given.name), as_json=given.json)


def _audit(given: argparse.Namespace) -> int:
    found = audit(Path(), given.range)
    _say({"findings": [asdict(finding) for finding in found]}, told_findings(found), as_json=given.json)
    return NOT_WELL if found else 0


def _say_changes(outcome: Outcome, *, as_json: bool) -> int:
    _say(asdict(outcome), told_changes(outcome), as_json=as_json)
    return NOT_WELL if outcome.problems else 0


def _say_prepared(prepared: Prepared, *, as_json: bool) -> int:
    _say(asdict(prepared), told_prepared(prepared), as_json=as_json)
    return NOT_WELL if prepared.problems else 0


def _say(document: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    sys.stdout.write("".join(f"{row}\n" for row in ([json.dumps(document)] if as_json else lines)))


# ---------------------------------------------------------------- arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kit.pyz", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, run: Any, told: str, examples: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=told, description=told, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        added.set_defaults(run=run)
        added.add_argument("--json", action="store_true", help="one JSON object, for machines")
        return added

    _add_install(command("install", _install, "Put the kit into a repository.", _INSTALL_EXAMPLES))
    _add_place(command("uninstall", _uninstall, "Take the kit out of a repository.", _UNINSTALL_EXAMPLES))
    made = command(
        "worktree", _worktree, "Add a work tree for a session, with an identity. For leads.", _WORKTREE_EXAMPLES
    )
    made.add_argument("name", metavar="NAME", help="of the branch, the directory and the identity")
    audited = command("audit", _audit, "Compare the numbers of added files with the ledger.", _AUDIT_EXAMPLES)
    audited.add_argument("range", metavar="RANGE", nargs="?", default="HEAD", help="main..HEAD; default: all of HEAD")
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", nargs="?", default=".", type=_directory, help="default: here")
    parser.add_argument("--shared-hooks", action="store_true", help="allow hooks that several repositories share")


def _add_install(parser: argparse.ArgumentParser) -> None:
    _add_place(parser)
    parser.add_argument("--uninstall", action="store_true", help="take it out, and restore what was there")
    parser.add_argument("--with-wiki", action="store_true", help="begin a wiki for agents in docs/wiki")
    parser.add_argument("--lead", action="store_true", help="instructions for an agent that leads")
    server_help = f"where the bus is; default: as before, or {DEFAULT_SERVER}"
    parser.add_argument("--server", metavar="URL", type=_server, help=server_help)
    parser.add_argument("--project", metavar="SLUG", help="the project that the repository belongs to")
    variable_help = f"the variable that has tokens; default: {TOKEN_VARIABLE}"
    parser.add_argument("--token-env", metavar="NAME", type=_variable, help=variable_help)
    parser.add_argument("--join", metavar="CODE", help="redeem an invite first, and write this work tree's identity")
    parser.add_argument("--as", dest="name", metavar="NAME", help="with --join: the name to join under")
    parser.add_argument("--insecure", action="store_true", help="allow plain HTTP beyond this machine")
    http_help = "whether Claude Code asks the bus by itself after a tool; default: as before, or yes"
    parser.add_argument("--http-hooks", action=argparse.BooleanOptionalAction, help=http_help)
    clients = ["all", *CLIENT_FILES]
    parser.add_argument("--client", action="append", default=[], choices=clients, help="write its hooks too")


def _server(url: str) -> str:
    """The address of a server, without the /mcp that clients are given."""
    try:
        urlsplit(url).port  # noqa: B018 - raises for a port that is none, and for brackets that do not close
        is_proper = re.fullmatch(r"https?://[^\s/?#@:][^\s/?#@]*(/[^\s?#@]*)?", url) is not None
    except ValueError:
        is_proper = False
    if not is_proper:
        raise argparse.ArgumentTypeError(f"{url!r} must look like https://bus.example.com")
    return url.rstrip("/").removesuffix("/mcp")


def _variable(name: str) -> str:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise argparse.ArgumentTypeError(f"{name!r} cannot be the name of a variable")
    return name


def _directory(name: str) -> Path:
    if not Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"{name} is not a directory")
    return Path(name)
