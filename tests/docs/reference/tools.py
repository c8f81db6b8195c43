"""The pages of the tools: what each takes, what it answers, and how it refuses, from a story that really happened.

There is one page for each group of tools, which is where their arguments are defined, and one that lists them all.
"""

import json
from collections.abc import Sequence
from typing import get_args

import msgspec
from msgspec import Struct

from engine.fields import described
from engine.refusals import Code
from tests.docs.reference.markdown import code, json_block, page, prose, table
from tests.docs.reference.shapes import default_in_words, fields_below, first_line, type_in_words
from tests.docs.reference.story import Call
from tests.docs.reference.words import CODES, WordsMissing, check
from web.mcp import prompts, resources
from web.mcp.tools import TOOLS, Tool

INTRODUCTION = """\
The tools of the endpoint `/mcp`. Who calls and in which project comes from the
token alone, so no tool takes either. A result is one JSON object, as text and as structured content; the examples are
from one story that was run when this page was written. An argument that is null is the same as one left out.

When the caller has posts to acknowledge, results also carry `_unread_posts` with their number. A refusal is a result
with `isError` and the text `<code>: <what to do>`; [errors](errors.md) has all of these texts."""

RESOURCES = """\
What clients may offer people as context. Each is what a reading tool answers at that moment, as JSON, and counts as a
call of that tool; only the guide is the same for everybody. Addresses are read, not subscribed to: to wait for news
there is `wait_seconds`."""

PROMPTS = """\
What several clients show as commands. Each tells an agent which tools to call, and holds nothing of the project."""


class Group(Struct, frozen=True):
    """The tools whose arguments are defined in one module."""

    module: str
    name: str
    title: str
    introduction: str


GROUPS = (
    Group("engine.sequences", "numbers", "Numbers", "Sequences of numbers without gaps: migrations, decision records."),
    Group("engine.leases", "leases", "Leases", "Who edits what, announced before it is edited."),
    Group("engine.posts", "posts", "Posts", "Handoffs and questions, owed until they are acknowledged."),
    Group("engine.tasks", "tasks", "Tasks", "What there is to do, what waits for what, and who does it."),
    Group("engine.presence", "presence", "Presence", "Who is there, and in which lane."),
    Group("engine.ledger", "ledger", "Ledger", "What happened, and what is new."),
    Group("web.mcp.identity_tools", "people", "Participants", "Who takes part, and how others are let in."),
)


def tools_pages(calls: Sequence[Call]) -> dict[str, str]:
    """All pages by path; `calls` have at least one answer of every tool."""
    check("groups", [group.module for group in GROUPS], [tool.arguments.__module__ for tool in TOOLS])
    pages = {f"reference/tools/{group.name}.md": _group_page(group, calls) for group in GROUPS}
    return {"reference/tools.md": _list_of_tools(), **pages}


def _list_of_tools() -> str:
    check("codes", CODES, get_args(Code))
    codes = table(["code", "meaning"], [(code(name), CODES[name]) for name in get_args(Code)])
    parts = []
    for group in GROUPS:
        link = f"tools/{group.name}.md"
        rows = [(f"[{code(tool.name)}]({link}#{tool.name})", prose(tool.description)) for tool in _tools_of(group)]
        parts.append(f"## [{group.title}]({link})\n\n{group.introduction}\n\n" + table(["tool", "what it does"], rows))
    tree = "\n".join(["```{toctree}", ":hidden:", "", *(f"tools/{group.name}" for group in GROUPS), "```"])
    return page("Tools", INTRODUCTION, *parts, _resources(), _prompts(), "## Refusals", codes, tree)


def _group_page(group: Group, calls: Sequence[Call]) -> str:
    introduction = f"{group.introduction} [What all tools have in common](../tools.md)."
    return page(group.title, introduction, *(_section(tool, calls) for tool in _tools_of(group)))


def _tools_of(group: Group) -> list[Tool]:
    return [tool for tool in TOOLS if tool.arguments.__module__ == group.module]


def _resources() -> str:
    rows = [(code(str(each.uri)), f"{each.description}") for each in resources.resources()]
    rows += [(code(each.uri_template), f"{each.description}") for each in resources.templates()]
    return f"## Resources\n\n{RESOURCES}\n\n{table(['address', 'what is there'], rows)}"


def _prompts() -> str:
    rows = [
        (code(each.name), each.description, ", ".join(map(code, each.arguments)) or "none") for each in prompts.COMMANDS
    ]
    return f"## Prompts\n\n{PROMPTS}\n\n{table(['prompt', 'for', 'arguments'], rows)}"


def _section(tool: Tool, calls: Sequence[Call]) -> str:
    mine = [call for call in calls if call.tool == tool.name]
    shapes = dict.fromkeys(call.shape for call in mine if call.shape is not None)
    if not shapes:
        raise WordsMissing(f"the story has no answer of {tool.name}")
    arguments = [
        (code(field.name), _type_and_default(field), _meaning(tool, field))
        for field in msgspec.structs.fields(tool.arguments)
    ]
    results = [_result(shape, max((call for call in mine if call.shape is shape), key=_length)) for shape in shapes]
    parts = [
        f"## {tool.name}",
        prose(tool.description),
        _traits(tool),
        table(["argument", "what it takes", "meaning"], arguments) or "It takes no arguments.",
        "\n\n**Or:** ".join(["**Result.** " + results[0], *results[1:]]),
        _refusals(mine),
    ]
    return "\n\n".join(filter(None, parts))


def _result(shape: type[Struct], call: Call) -> str:
    """A shape that the tool's answers have, and one of them."""
    parts = [
        first_line(shape),
        table(["field", "type"], [(code(name), kind) for name, kind in fields_below(shape)]),
        "With" if call.arguments else "",
        json_block(call.arguments) if call.arguments else "",
        "it answered" if call.arguments else "It answered",
        json_block(call.reply),
    ]
    return "\n\n".join(filter(None, parts))


def _length(call: Call) -> int:
    """The longest answer shows the most."""
    return len(json.dumps(call.reply))


def _type_and_default(field: msgspec.structs.FieldInfo) -> str:
    kind = type_in_words(field.type).removesuffix(", or null")
    if field.required:
        return f"**needed**: {kind}"
    return f"{kind}; default {default}" if (default := default_in_words(field)) else kind


def _meaning(tool: Tool, field: msgspec.structs.FieldInfo) -> str:
    if (meaning := described(field.type)) is None:
        raise WordsMissing(f"the argument {field.name} of {tool.name} has no description")
    return meaning


def _traits(tool: Tool) -> str:
    """The annotations, in words."""
    traits = [
        "For leads only." if tool.leads_only else "",
        "It only reads." if tool.reads else "",
        "Called again, it changes nothing more." if tool.repeatable and not tool.reads else "",
        "It takes something away." if tool.destroys else "",
    ]
    return " ".join(filter(None, traits))


def _refusals(calls: Sequence[Call]) -> str:
    lines = [f"- {code(call.refusal)}" for call in calls if call.refusal is not None]
    return "\n".join(["Refusals that it gave in the story:", "", *lines]) if lines else ""
