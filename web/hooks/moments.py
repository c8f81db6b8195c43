"""What the server says and does at the moments of an agent's session, for clients whose hooks call it themselves.

The rule is `kit.telling`, as in the program; here the facts come from the project itself. What takes a look at the work
tree stays with the program: the packet, and numbers of files. When a session begins and whenever a turn ends, the
program tells where the work trees are and what the repository's config says (`llm_bus` in what it sends). Until then,
as after a restart of the server, nothing is said in the middle of a turn and nothing is leased.
"""

import posixpath
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs

import msgspec
import trio
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
from web.http.exchange import Exchange
from web.mcp.arguments import Parser
from web.services import Services

ROOTS_MAX = 20
"""Work trees of one repository."""

PATH_LENGTH_MAX = 500
"""Of a root, and of an edited path below it. Longer ones are passed over."""


SLICE_SECONDS = 0.001
"""How long leases are compared with paths before others run."""

COMPARING_SECONDS_MAX = 0.01
"""How long they are compared for one hook; what is left is not looked at. Other agents choose what they lease."""


class Facts(Struct, frozen=True, kw_only=True):
    """What `kit.telling` asks for, looked up before."""

    me: str
    posts: list[dict[str, Any]]
    rows: list[dict[str, Any]] = []

    def is_mine(self, actor: object) -> bool:
        """Whether a name is the caller's."""
        return is_same(actor, self.me)

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
        async with aclosing(_in_slices(compared)) as found:
            findings = findings_of([told async for told in found])
        if known.auto_lease:
            await self._lease_edited(exchange, facts, known.memory, paths)
        return findings

    async def _lease_edited(self, exchange: Exchange, facts: Facts, memory: Session, paths: list[str]) -> None:
        async with aclosing(_in_slices(to_lease(facts, memory, paths, time.time()))) as wanted:
            async for path in wanted:
                lease = self._lease.parse({**lease_of(path), "by": "hook"})
                if not isinstance(lease, Refusal):
                    await self._ask(exchange, lease)
                    memory.leases[path] = time.time()

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
        return Facts(me=exchange.caller.actor, posts=posts, rows=rows)

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


async def _in_slices(compared: Iterator[str | None]) -> AsyncGenerator[str, None]:
    """What is not None, for at most `COMPARING_SECONDS_MAX` of comparing; others run after each slice."""
    left, began = COMPARING_SECONDS_MAX, time.perf_counter()
    for found in compared:
        if found is None and time.perf_counter() - began < SLICE_SECONDS:
            continue
        left -= time.perf_counter() - began
        if found is not None:
            yield found
        await trio.lowlevel.checkpoint()
        began = time.perf_counter()
        if left <= 0:
            return


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
        if root is not None and len(path) - len(root) <= PATH_LENGTH_MAX:
            found.append(path[len(root) + 1 :])
    return found
