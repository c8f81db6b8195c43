"""Prompts: texts that several clients show as commands, for three moments at which coordination is easily forgotten.

They tell an agent which tools to call and in which order; they hold nothing of the project.
"""

import json

import mcp_types as types
from mcp.shared.exceptions import MCPError
from msgspec import Struct

from web.mcp.arguments import shown

ARGUMENT_LENGTH_MAX = 2_000


class Command(Struct, frozen=True):
    """One prompt; `text` is followed by what the caller gave for its optional `arguments`, by name and description."""

    name: str
    title: str
    description: str
    text: str
    arguments: dict[str, str] = {}


COMMANDS = (
    Command(
        "check_in",
        "Check in on the bus",
        "Begin or resume work: your lane, your inbox, what others hold, what is ready.",
        "Check in on LLM Bus before you change anything. 1. Call register with your lane and a short status. "
        "2. Call whats_new, and read_posts with to_me and unacked_only; ack what you take over and answer questions. "
        "3. Call who_holds for the paths you are about to edit, and lease them. 4. Call list_tasks with ready. "
        "Then tell your human in three sentences what changed, what waits for you, and what you do first.",
        {"lane": "The area you work in."},
    ),
    Command(
        "handoff",
        "Hand work over",
        "Write a handoff that somebody else can pick up without asking.",
        "Hand your work over on LLM Bus. Call post with to_actor or to_lane, a subject of one line, ref (branch, "
        "commit or pull request), and a body that says: what is done and how you know, what is left, what surprised "
        "you, and where to begin. Check names with list_participants. Then call release for paths you no longer edit. "
        "Tell your human whom you told what.",
        {"to": "A participant's name or a lane.", "about": "What is handed over."},
    ),
    Command(
        "wrap_up",
        "Wrap up the session",
        "End work cleanly: tasks, leases, promises, a last post.",
        "Wrap up on LLM Bus before you stop. 1. Call list_tasks for your tasks: ship what is done, block what is stuck "
        "and say why. 2. Call read_posts with to_me and unacked_only: ack or answer each. 3. Call who_holds and "
        "release your leases. 4. Post what the next one must know, with ref. 5. Call register with a status that says "
        "where you stopped. Then tell your human what is open.",
    ),
)

_BY_NAME = {command.name: command for command in COMMANDS}


def prompts() -> list[types.Prompt]:
    """The prompts as they are listed."""
    return [
        types.Prompt(
            name=command.name,
            title=command.title,
            description=command.description,
            arguments=[
                types.PromptArgument(name=name, description=description, required=False)
                for name, description in command.arguments.items()
            ],
        )
        for command in COMMANDS
    ]


def prompt(name: str, given: dict[str, str] | None) -> types.GetPromptResult:
    """One prompt with its arguments. Raises `MCPError` for an unknown name or argument."""
    if (command := _BY_NAME.get(name)) is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {shown(name)}")
    lines = [command.text]
    for argument, value in (given or {}).items():
        if argument not in command.arguments or len(value) > ARGUMENT_LENGTH_MAX:
            raise MCPError(types.INVALID_PARAMS, f"'{shown(argument)}' is unknown here, or too long")
        if value.strip():
            lines.append(f"{argument}: {json.dumps(value, ensure_ascii=False)}")
    message = types.PromptMessage(role="user", content=types.TextContent(text="\n".join(lines)))
    return types.GetPromptResult(description=command.description, messages=[message])
