"""What the server says and does at the moments of an agent's session, for clients whose hooks call it themselves.

The rule is `kit.telling`, as in the program; here the facts come from the project itself. What takes a look at the work
tree stays with the program: the packet, and numbers of files. When a session begins and whenever a turn ends, the
program tells where the work trees are and what the repository's config says (`llm_bus` in what it sends). Until then,
as after a restart of the server, nothing is said in the middle of a turn and nothing is leased.
"""

import posixpath
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from engine.identity import Principal
from engine.leases import LEASES_SHOWN_MAX, Lease, Release, WhoHolds
from engine.posts import ReadPosts
from engine.project import AnyCommand
from engine.refusals import Refusal
from kit.clients import SESSION_END, START, TOOL, TURN_END, Client
from kit.ledger import LOOKED_AT_MAX
from kit.report import findings_of
from kit.state import Session
from kit.surfaces import as_surface
from kit.telling import (
    LEASES_MAX,
    Moment,
    add_leases,
    is_same,
    lease_of,
    needs_look,
    new_posts,
    overlaps,
    to_lease,
    to_release,
    unread_at_end,
)
from web.hooks.sessions import KnownSession, Sessions
from web.http.bulkhead import Bulkhead
from web.http.exchange import Exchange
from web.mcp.arguments import Parser
from web.services import Services
from web.steps import short_steps

ROOTS_MAX = 20
"""Work trees of one repository."""

PATH_LENGTH_MAX = 500
"""The longest root, and the longest edited path below it. Longer ones are ignored."""

PATH_DEPTH_MAX = 32
"""Directories above an edited file, below the root. Deeper files are passed over: a comparison takes the square."""

COMPARING_AT_ONCE_MAX = 1
"""Hooks whose paths are compared with leases at once. The steps of more would add up in each pass of the event loop,
and others' calls wait for all of them. A hook waits for nothing while it has its place."""

COMPARING_STEPS_MAX = 20
"""Short steps for one hook, of a quarter of a millisecond each: so many with the leases of others, and so many with the
caller's own. What is left is not looked at: other agents choose what they lease."""


class Facts(Struct, frozen=True, kw_only=True):
    """What `kit.telling` asks for, looked up before."""

    names: list[str]
    posts: list[dict[str, Any]]
    rows: list[dict[str, Any]] = []

    def is_mine(self, actor: object) -> bool:
        """Whether a name is the caller's."""
        return is_same(actor, *self.names)

    def unread(self) -> list[dict[str, Any]]:
        """The caller's unread posts."""
        return self.posts

    def leases(self) -> list[dict[str, Any]]:
        """Everybody's leases."""
        return self.rows


class _Failed(Exception):
    """A command was refused; the hook is answered with that."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Moments:
    """Answers the hooks of agent clients."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sessions = Sessions()
        self._comparing = Bulkhead(COMPARING_AT_ONCE_MAX)
        self._lease, self._surface = Parser(Lease), Parser(WhoHolds)

    async def answer(self, client: Client, exchange: Exchange, given: Mapping[str, Any]) -> object | Refusal:
        """What the client is to read from its hook: an empty object when there is nothing to say."""
        asked = parse_qs(exchange.request.target.partition(b"?")[2].decode("ascii", "replace"))
        event = asked.get("event", [str(given.get("hook_event_name"))])[0]
        moment = Moment(client, event, dict(given))
        handlers = {
            START: self._start,
            TOOL: self._after_tool,
            TURN_END: self._end_turn,
            SESSION_END: self._end_session,
        }
        if (handler := handlers.get(moment.kind or "")) is None:
            return {}
        try:
            findings = await handler(exchange, moment)
        except _Failed as failed:
            return failed.refusal
        return _said(moment, findings)

    async def _start(self, exchange: Exchange, moment: Moment) -> list[str]:
        """Take what the program tells of a session; the posts so far are told by its packet, or were."""
        facts = await self._look(exchange, leases=False)
        known = self._find(exchange.caller, moment) or self._sessions.begin(_reader(exchange.caller), moment.session_id)
        known.memory.news(facts.posts)
        told = moment.given.get("llm_bus")
        if isinstance(told, dict):
            roots = told.get("roots")
            named = [str(root).rstrip("/") for root in roots] if isinstance(roots, list) else []
            short = [root for root in named if len(root) <= PATH_LENGTH_MAX][:ROOTS_MAX]
            known.roots = tuple(sorted(short, key=len, reverse=True))
            known.minds_leases, known.auto_lease = told.get("leases") == "warn", told.get("autoLease") is True
        return []

    async def _after_tool(self, exchange: Exchange, moment: Moment) -> list[str]:
        known = self._find(exchange.caller, moment)
        if known is None:
            return []
        paths = _paths_below(known.roots, moment) if known.minds_leases else []
        if not needs_look(known.memory, paths, time.time()):
            return []
        facts = await self._look(exchange, leases=known.minds_leases, paths=paths)
        moment.told += new_posts(facts, known.memory)
        compared = overlaps(facts, known.memory, paths) if known.minds_leases else iter(())
        findings = findings_of(await self._compare(exchange, compared))
        if known.auto_lease:
            await self._lease_edited(exchange, facts, known.memory, paths)
        return findings

    async def _lease_edited(self, exchange: Exchange, facts: Facts, memory: Session, paths: list[str]) -> None:
        for path in await self._compare(exchange, to_lease(facts, memory, paths, time.time())):
            lease = self._lease.parse({**lease_of(path), "by": "hook"})
            if len(memory.leases) < LEASES_MAX and not isinstance(lease, Refusal):
                await self._ask(exchange, lease)
                memory.leases[path] = time.time()

    async def _compare(self, exchange: Exchange, compared: Iterator[str | None]) -> list[str]:
        """What is not None, as far as `COMPARING_STEPS_MAX` go; others run after each step."""
        found, steps = list[str](), 0
        place = await self._comparing.enter(exchange.token_hash)
        try:
            pace = short_steps()
            for one in compared:
                if one is not None:
                    found.append(one)
                if pace.spent:
                    steps += 1
                    if steps == COMPARING_STEPS_MAX:
                        break
                    await pace.give_way()
        finally:
            self._comparing.leave(place)
        return found

    async def _end_turn(self, exchange: Exchange, moment: Moment) -> list[str]:
        facts = await self._look(exchange, leases=False)
        known = self._find(exchange.caller, moment) or self._sessions.begin(_reader(exchange.caller), moment.session_id)
        goes_on_already = bool(moment.given.get("stop_hook_active"))
        moment.goes_on = unread_at_end(facts, known.memory, goes_on_already=goes_on_already)
        return []

    async def _end_session(self, exchange: Exchange, moment: Moment) -> list[str]:
        known = self._find(exchange.caller, moment)
        self._sessions.end(_reader(exchange.caller), moment.session_id)
        if known is not None and known.memory.leases:
            for surface in to_release(await self._look(exchange, leases=True), known.memory):
                await self._ask(exchange, Release(surface=surface))
        return []

    def _find(self, caller: Principal, moment: Moment) -> KnownSession | None:
        return self._sessions.find(_reader(caller), moment.session_id)

    async def _look(self, exchange: Exchange, *, leases: bool, paths: list[str] | None = None) -> Facts:
        """The caller's unread posts, and where wanted the newest leases and all at some paths."""
        posts = (await self._ask(exchange, ReadPosts(to_me=True, unacked_only=True)))["posts"]
        rows = (await self._ask(exchange, WhoHolds()))["leases"] if leases else []
        for path in (paths or [])[:LOOKED_AT_MAX] if len(rows) >= LEASES_SHOWN_MAX else []:
            surface = self._surface.parse({"surface": as_surface(path)})
            if not isinstance(surface, Refusal):
                add_leases(rows, (await self._ask(exchange, surface))["leases"])
        return Facts(names=[exchange.caller.actor, *exchange.caller.former_names], posts=posts, rows=rows)

    async def _ask(self, exchange: Exchange, command: AnyCommand) -> dict[str, Any]:
        """The reply as the tool of this command shows it; it counts as a call of the tool."""
        written_bytes = len(msgspec.json.encode(command)) if isinstance(command, Lease | Release) else 0
        if (too_much := self._services.fair_use.refuse(exchange.token_hash, written_bytes)) is not None:
            refusal, exchange.retry_after_seconds = too_much
            raise _Failed(refusal)
        answer = await self._services.directory.ask(exchange.caller, command)
        if isinstance(answer, Refusal):
            raise _Failed(answer)
        reply: dict[str, Any] = msgspec.to_builtins(answer.reply)
        return reply


def _reader(caller: Principal) -> tuple[int, int]:
    return caller.project_id, caller.id


def _said(moment: Moment, findings: list[str]) -> object:
    """What the client reads, as JSON: its own form, or the text alone for a client that has none."""
    told = moment.answer(findings)
    if not told:
        return {}
    return msgspec.Raw(told.encode()) if told.startswith("{") else {"text": told}


def _paths_below(roots: tuple[str, ...], moment: Moment) -> list[str]:
    """The edited paths, each from the root of its work tree; those outside are nobody's business here."""
    here = str(moment.given.get("cwd") or "/")
    found = []
    for name in moment.client.paths(moment.event, moment.given)[:LEASES_MAX]:
        path = posixpath.normpath(posixpath.join(here, name))
        root = next((root for root in roots if path.startswith(f"{root}/")), None)
        below = "" if root is None else path[len(root) + 1 :]
        if below and len(below) < PATH_LENGTH_MAX and below.count("/") <= PATH_DEPTH_MAX:
            found.append(below)
    return found
