"""The page of the settings: every environment variable that `web.config` reads, with the flag that says the same."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from tests.docs.reference.markdown import code, page, table
from tests.docs.reference.words import SETTINGS, check
from web import config
from web.cli.entry import cli

INTRODUCTION = """\
Environment variables, for every command that a setting matters to; the same names as flags of `llm-bus serve` and
`llm-bus up` go before them. Secrets have no flag, because process lists show flags to others. A value that makes no
sense ends the program with a sentence that names the variable."""

_ELSEWHERE = {"LLM_BUS_DATA_DIR": "data_dir"}
"""Fields whose variable has another name."""


class _Recording(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> str:
        self.asked.append(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def settings_page() -> str:
    """The page."""
    variables = _variables()
    check("settings", SETTINGS, variables)
    flags, defaults = _flags(), msgspec.structs.asdict(config.read_settings({}))
    rows = []
    for variable in variables:
        field = _ELSEWHERE.get(variable, variable.lower())
        flag = f" {code('--' + field.replace('_', '-'))}" if field in flags else ""
        rows.append((code(variable) + flag, _default(defaults.get(field)), SETTINGS[variable]))
    return page("Settings", INTRODUCTION, table(["variable, flag", "default", "meaning"], rows))


def _variables() -> list[str]:
    """What the module asks an environment for, in its order."""
    environ = _Recording()
    for name, read in vars(config).items():
        if name.startswith("read_"):
            read(environ)
    return list(dict.fromkeys(environ.asked))


def _flags() -> set[str]:
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in ("serve", "up")]
    return {str(option.name) for command in commands if command is not None for option in command.params}


def _default(value: Any) -> str:
    match value:
        case None | ():
            return ""
        case bool():
            return code(int(value))
        case Path():
            return "the user's data directory"
        case tuple():
            return code(",".join(map(str, value)))
        case _:
            return code(value)
