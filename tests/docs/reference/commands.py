"""The page of the commands: everything that `llm-bus --help` and the helps below it say."""

from collections.abc import Iterator
from inspect import cleandoc

import click

from tests.docs.reference.markdown import block, code, page, table
from web.cli.entry import cli

INTRODUCTION = """\
What `llm-bus` can do; `llm-bus COMMAND --help` says the same. A variable in brackets sets the option too, and what
comes after it is the default; flags go before the environment. What goes wrong is one sentence on standard error, with
exit code 2 for a wrong call and 1 for everything else."""

_HELP_WIDTH = 100


def commands_page() -> str:
    """The page."""
    return page("Commands", INTRODUCTION, *(_section(path, command) for path, command in _commands(cli, "llm-bus")))


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    with click.Context(group, info_name=path) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is None or command.hidden:
                continue
            if isinstance(command, click.Group):
                yield from _commands(command, f"{path} {name}")
            else:
                yield f"{path} {name}", command


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, max_content_width=_HELP_WIDTH, terminal_width=_HELP_WIDTH)
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    options = [(code(_spelling(option)), option.help or "") for option in command.params if _is_shown(option)]
    parts = [
        f"## {path}",
        cleandoc(command.help or ""),
        block(usage),
        table(["option", "what it does"], options),
        _epilog(command),
    ]
    return "\n\n".join(filter(None, parts))


def _is_shown(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not parameter.hidden


def _spelling(option: click.Parameter) -> str:
    spelled = ", ".join(option.opts)
    if isinstance(option, click.Option) and option.is_flag:
        return spelled
    if isinstance(option.type, click.Choice):
        return f"{spelled} {'|'.join(map(str, option.type.choices))}"
    return f"{spelled} {option.metavar or option.type.name.upper()}"


def _epilog(command: click.Command) -> str:
    r"""The end of a help text; `\b` marks what click must not wrap, and so is nothing to read."""
    return block(cleandoc(command.epilog.replace("\b\n", "\n")).strip()) if command.epilog else ""
