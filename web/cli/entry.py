"""The command `llm-bus`: finds the subcommand, runs it, and turns whatever a user can cause into one sentence.

The commands themselves are beside it and in `web.bench`, imported only when one is asked for. Exit codes: 0 done,
1 failed or refused, 2 called wrongly, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper

import click
from click.shell_completion import CompletionItem

from store.errors import InvalidName, StoreError
from web import VERSION
from web.errors import ConfigurationError, WebError, leaves

_SECTIONS = {
    "Run a server": {
        "up": ("web.cli.servers:up", "Start here: a server with nothing prepared."),
        "serve": ("web.cli.servers:serve", "The same server for production."),
        "migrate": ("web.cli.owners:migrate", "Apply the migrations that are missing."),
        "repair": ("web.cli.repair:repair", "Show gaps in ledgers, and close them."),
    },
    "See what is going on": {
        "status": ("web.cli.status:status", "See what is going on."),
        "watch": ("web.cli.watch:watch", "Watch a PROJECT live."),
        "adherence": ("web.cli.adherence:show_adherence", "Count who keeps to the protocol in a PROJECT."),
        "doctor": ("web.cli.doctor_and_demo:doctor", "Find what is wrong, and say what to do."),
        "demo": ("web.cli.doctor_and_demo:demo", "Watch five agents work together."),
        "bench": ("web.bench.command:bench", "Measure the bus, and what it is measured against."),
    },
    "People and agents": {
        "owner": ("web.cli.owners:owner", "Humans who own projects."),
        "project": ("web.cli.projects:project", "Projects, each with a ledger and participants."),
        "token": ("web.cli.tokens:token", "Tokens, by which agents and humans take part."),
        "invite": ("web.cli.invites:invite", "Invites, by which others join by themselves."),
        "admin-link": ("web.cli.admin_link:admin_link", "Print a link that signs the owner EMAIL in, once."),
    },
    "Be an agent": {
        "connect": ("web.cli.connect:connect", "Print how to connect a CLIENT."),
        "call": ("web.cli.call:call", "Call a TOOL as the participant of LLM_BUS_TOKEN."),
        "stdio": ("web.cli.stdio:stdio", "Be an MCP server over stdin and stdout."),
        "join": ("web.cli.kit:join_bus", "Redeem an invite and prepare this work tree for a session."),
        "worktree": ("web.cli.kit:worktree", "Add a work tree for a session, with an identity."),
        "kit": ("web.cli.kit:kit", "What makes agents keep to the protocol, for repositories."),
    },
    "Keep and move data": {
        "backup": ("web.cli.backup:backup", "Write the whole database into FILE, and verify it."),
        "restore": ("web.cli.backup:restore", "Put a backup FILE into an empty database, and verify it."),
        "upgrade-database": (
            "web.cli.backup:upgrade_database",
            "Bring the embedded database to this version's PostgreSQL.",
        ),
        "export": ("web.cli.transfer:export", "Write a PROJECT's ledger and state into DIR."),
        "import": ("web.cli.transfer:import_", "Restore an export from DIR into an empty database."),
        "prune": ("web.cli.prune:prune_ledger", "Move a PROJECT's old events into files in DIR."),
        "unprune": ("web.cli.prune:unprune_ledger", "Bring a PROJECT's old events back from DIR."),
        "import-legacy": ("web.cli.legacy:legacy", "Carry over everything from the TypeScript server."),
    },
    "Other": {
        "completion": ("web.cli.completion:completion", "Print the completion script for a SHELL."),
    },
}
_COMMANDS = {name: entry for section in _SECTIONS.values() for name, entry in section.items()}
"""Where each command is, and the first sentence of its help: to list them all imports none."""

_EPILOG = """\b
Start here, with nothing prepared:
  llm-bus up                  a server on this machine, with its own database
  llm-bus demo                watch five agents work together
  llm-bus doctor              what is wrong, and what to do about it
  llm-bus status              what is going on
\b
In production:
  DATABASE_URL=postgresql://bus@db/bus llm-bus serve --host 0.0.0.0
  llm-bus token mint --owner you@example.com --project shop --participant agent-1
  llm-bus connect --client claude-code --url https://bus.example.com
\b
Exit codes: 0 done, 1 failed or refused, 2 called wrongly, 130 interrupted. Results go to
standard output, everything else to standard error. Completion: llm-bus completion --help
"""


class _Commands(click.Group):
    """Imports a command when it is asked for; what is not installed is not listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (place, _) in _COMMANDS.items() if find_spec(place.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        place, _ = _COMMANDS[cmd_name]
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as unknown:
            _refuse_tool(unknown.command_name, ctx)
            # click suggests only commands that have been imported.
            known = self.list_commands(ctx)
            raise click.exceptions.NoSuchCommand(unknown.command_name, possibilities=known, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        here = self.list_commands(ctx)
        for title, section in _SECTIONS.items():
            listed = [(name, summary) for name, (_, summary) in section.items() if name in here]
            with formatter.section(title):
                formatter.write_dl(listed)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        here = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=_COMMANDS[name][1]) for name in here), *options]


def _refuse_tool(name: str, ctx: click.Context) -> None:
    """Raise what tells how a tool of the bus is called, where a command was given the name of one."""
    from web.mcp.tools import TOOLS  # noqa: PLC0415 - it takes long to load

    tool = name.replace("-", "_")
    if tool in {each.name for each in TOOLS}:
        raise click.UsageError(f"'{name}' is a tool of the bus, called as: llm-bus call {tool}.", ctx)


@click.group(
    cls=_Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(VERSION, prog_name="llm-bus", message="%(prog)s %(version)s")
def cli() -> None:
    """LLM Bus: where AI coding agents agree on who does what."""


def main() -> None:
    """The entry point."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # also where the terminal's encoding lacks a character
    code = run(sys.argv[1:])
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # a full disk: the command has failed, and said so
        _discard_output()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code; what went wrong is one sentence on standard error."""
    try:
        code = cli.main(list(arguments), prog_name="llm-bus", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as called_bare:
        called_bare.show()
        return 2
    except click.UsageError as error:
        hint = f" Try '{error.ctx.command_path} --help'." if error.ctx else ""
        return _fail(2, f"{_sentence(error.format_message())}{hint}")
    except click.ClickException as error:
        return _fail(error.exit_code, error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return _fail(130, "interrupted.")
    except (WebError, StoreError, OSError, UnicodeEncodeError, BaseExceptionGroup) as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


def _explain(error: BaseException) -> int:
    """Say what the user can do about it, or let a bug show itself."""
    causes = list(leaves(error))
    if any(isinstance(cause, SystemExit | BrokenPipeError) for cause in causes):  # `llm-bus … | head` has seen enough
        _discard_output()
        return 1
    answers = [answer for cause in causes if (answer := _answer(cause))]
    if len(answers) < len(causes):
        raise error
    return _fail(*answers[0])


def _discard_output() -> None:
    """Keep the interpreter's last flush from complaining about output that cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(cause: BaseException) -> tuple[int, str] | None:
    """The exit code and the sentence for what a user can cause; None for a bug."""
    match cause:
        case ConfigurationError() | InvalidName():
            return 2, str(cause)
        case WebError() | StoreError():
            return 1, str(cause)
        case OSError():
            return 1, _about_the_system(cause)
        case UnicodeEncodeError() if _is_a_byte(cause.object[cause.start]):
            return 2, "an argument or a variable of the environment is not UTF-8."
        case KeyboardInterrupt():
            return 130, "interrupted."
        case _:
            return None


def _is_a_byte(character: str) -> bool:
    """Whether it stands for a byte that is not UTF-8 (PEP 383), as in arguments and in the environment."""
    return "\udc80" <= character <= "\udcff"


def _about_the_system(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}." if error.filename else f"{what}."


def _fail(code: int, sentence: str) -> int:
    click.echo(f"llm-bus: {_sentence(sentence)}", err=True)
    return code


def _sentence(text: str) -> str:
    """The text on one line, with a mark at its end."""
    text = " ".join(text.split())
    return text if text.endswith((".", "?", "!")) else f"{text}."
