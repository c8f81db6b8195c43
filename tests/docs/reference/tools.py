"""The page of the tools: what each takes, what it answers, and how it refuses, from a story that really happened."""

import json
from collections.abc import Sequence
from typing import get_args

import msgspec

from engine.fields import described
from engine.refusals import Code
from tests.docs.reference.markdown import code, json_block, page, table
from tests.docs.reference.shapes import default_in_words, fields_below, first_line, type_in_words
from tests.docs.reference.story import Call
from tests.docs.reference.words import CODES, WordsMissing, check
from web.mcp.tools import TOOLS, Tool

INTRODUCTION = """\
The tools of the endpoint `/mcp`, in the order in which it lists them. Who calls and in which project comes from the
token alone, so no tool takes either. A result is one JSON object, as text and as structured content; the examples are
from one story that was run when this page was written. An argument that is null is the same as one left out.

When the caller has posts to acknowledge, results also carry `_unread_posts` with their number. A refusal is a result
with `isError` and the text `<code>: <what to do>`."""


def tools_page(calls: Sequence[Call]) -> str:
    """The page; `calls` have at least one answer of every tool."""
    check("codes", CODES, get_args(Code))
    codes = table(["code", "meaning"], [(code(name), CODES[name]) for name in get_args(Code)])
    return page("Tools", INTRODUCTION, codes, *(_section(tool, calls) for tool in TOOLS))


def _section(tool: Tool, calls: Sequence[Call]) -> str:
    mine = [call for call in calls if call.tool == tool.name]
    shown = max((call for call in mine if call.shape is not None), key=_length, default=None)
    if shown is None or shown.shape is None:
        raise WordsMissing(f"the story has no answer of {tool.name}")
    arguments = [
        (code(field.name), _type_and_default(field), _meaning(tool, field))
        for field in msgspec.structs.fields(tool.arguments)
    ]
    result = [(code(name), kind) for name, kind in fields_below(shown.shape)]
    parts = [
        f"## {tool.name}",
        tool.description,
        _traits(tool),
        table(["argument", "what it takes", "meaning"], arguments) or "It takes no arguments.",
        f"**Result.** {first_line(shown.shape)}",
        table(["field", "type"], result),
        "With" if shown.arguments else "",
        json_block(shown.arguments) if shown.arguments else "",
        "it answered" if shown.arguments else "It answered",
        json_block(shown.reply),
        _refusals(mine),
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
