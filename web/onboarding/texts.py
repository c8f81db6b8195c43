"""The texts with which an agent is connected: guide, instructions, connect commands, client configuration.

Tools, pages and the command line get them here. The rules among them are those of `kit.rules`. A function that takes a
`token` returns a secret: show it once, never log it.
"""

import hashlib
import json
import shlex
from datetime import datetime
from importlib.resources import files
from typing import Any

from kit.bundle import installer, text
from kit.rules import protocol, repository_rules

TOKEN_VARIABLE = "LLM_BUS_TOKEN"  # noqa: S105 - the name of a variable, not a secret
GUIDE_URI = "llm-bus://guide"
SERVER_NAME = "llm-bus"

INSTRUCTIONS = protocol()
"""How to coordinate, for every client that connects: under 1,500 characters."""

MEMBER_BLOCK = repository_rules(lead=False)
"""What the instruction file of a repository says about the bus, beside the instructions."""

GUIDE = f"{INSTRUCTIONS}\n\n{files('web.onboarding').joinpath('guide.md').read_text(encoding='utf-8')}"
"""The instructions and more, in Markdown, for those who ask."""

SETUP_NOTE = (
    f"The token is shown only now. Put mcp_json into .mcp.json at the repository's root, set {TOKEN_VARIABLE} with env "
    "in the agent's shell, and restart the agent."
)

NEXT = (
    "Connect: run connect_command, or write the files (keep .claude/settings.local.json out of version control), and "
    "restart your client. Then call register with your lane, and whats_new."
)
"""What somebody does who has just joined."""


def guide(*, lead: bool) -> str:
    """The guide for who joins; a lead's has the lead's rules too."""
    return f"{GUIDE}\n\n{text('instructions/lead.md').strip()}\n" if lead else GUIDE


def mcp_url(public_url: str) -> str:
    """Where MCP clients connect."""
    return f"{public_url}/mcp"


def redeem_url(public_url: str) -> str:
    """Where an invite code is redeemed."""
    return f"{public_url}/join"


def environment(token: str) -> str:
    """The shell line that hands an agent its token."""
    return f"export {TOKEN_VARIABLE}={token}"


def mcp_json(public_url: str) -> dict[str, Any]:
    """The content of `.mcp.json`; the token stays in the environment."""
    server = {
        "type": "http",
        "url": mcp_url(public_url),
        "headers": {"Authorization": f"Bearer ${{{TOKEN_VARIABLE}}}"},
    }
    return {"mcpServers": {SERVER_NAME: server}}


def files_to_write(public_url: str, token: str) -> dict[str, str]:
    """What Claude Code reads, as JSON text by path: the server, safe to commit, and the token, which is not."""
    return {
        ".mcp.json": json.dumps(mcp_json(public_url), indent=2),
        ".claude/settings.local.json": json.dumps({"env": {TOKEN_VARIABLE: token}}, indent=2),
    }


def connect_command(public_url: str, token: str) -> str:
    """The command that connects Claude Code."""
    url = mcp_url(public_url)
    return f'claude mcp add --transport http {SERVER_NAME} {url} --header "Authorization: Bearer {token}"'


def kit_command(public_url: str) -> str:
    """The shell line that installs the adherence kit in a repository, with nothing installed."""
    return f"curl -fsS {public_url}/kit/install.sh | sh"


def kit_checksum(public_url: str) -> str:
    """What `install.sh` is checked against, as `sha256sum --check` reads it."""
    return f"{hashlib.sha256(installer(public_url).encode()).hexdigest()}  install.sh"


def connect_lines(public_url: str, token: str) -> list[str]:
    """How to connect with a token, for a terminal."""
    return [
        "Claude Code:",
        f"  {connect_command(public_url, token)}",
        "Any other MCP client ('llm-bus connect --help' knows seven of them):",
        f"  URL {mcp_url(public_url)}   header Authorization: Bearer ${TOKEN_VARIABLE}",
        f"  {environment(token)}",
    ]


def invite_prompt(public_url: str, code: str, expires_at: datetime, participant_name: str | None = None) -> str:
    """What to paste to an agent so that it joins by itself."""
    body = f'{{"code": "{code}"}}' if participant_name else f'{{"code": "{code}", "name": "YOUR-NAME"}}'
    call = f"curl -sS -X POST {redeem_url(public_url)} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    name = "" if participant_name else " Choose a short name for yourself in place of YOUR-NAME."
    return (
        f"Join this project's LLM Bus, where its agents coordinate.{name} Run: {call}\n"
        "The answer holds your token, the files to write and what to do next. "
        f"Keep the token out of version control. The code works until {expires_at:%Y-%m-%d %H:%M} UTC.\n"
        "If you have no network (a sandbox), do not try again: ask your human to run that command and to give you its "
        "answer.\nWhen you are connected and restarted, call whoami."
    )


def handout_prompt(public_url: str, token: str, project_name: str) -> str:
    """What to paste to an agent that has a token: what it joins, how to connect, what to do first, and the rules."""
    return f"""\
You have a place in the project {json.dumps(project_name, ensure_ascii=False)} on LLM Bus, where its agents agree on \
who does what. This message holds your token: keep it out of version control, logs and posts.

1. Connect. With Claude Code, run in the repository:
   {connect_command(public_url, token)}
   Any other MCP client: Streamable HTTP, {mcp_url(public_url)}, header Authorization: Bearer ${TOKEN_VARIABLE}, after
   {environment(token)}
2. Restart the client, so that it finds the tools. `whoami` must name you.
3. Call `register` with your lane (your area of work), then `whats_new`.
4. Is there no llm-bus.config.json in the repository? Ask your human whether to run, there:
   {kit_command(public_url)}
   It adds these rules to the instruction files and a hook that checks the numbers of files. The SHA-256 of the script:
   {kit_checksum(public_url)}

From then on:

{INSTRUCTIONS}

{MEMBER_BLOCK}
"""
