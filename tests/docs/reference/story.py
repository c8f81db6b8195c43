"""A morning in a small project, told through the tools: where the examples of the tools and events pages come from.

Everything in it really happens, on a real store and real actors; only the clock is set, so that it happens the same way
every time, and what is random is replaced by dots.
"""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trio
from msgspec import Struct

from actors import Directory
from engine.ledger import Events
from engine.lookups import EventView
from engine.refusals import Refusal
from engine.vocabulary import Reply
from store import Store
from store.people import minting
from store.people.codes import digest
from web.config import Settings
from web.http.exchange import Exchange
from web.http.request import Request
from web.mcp.calls import Toolbox
from web.mcp.encoding import encode
from web.mcp.identity_tools import InviteCode, OpenInvites
from web.server import join

EMAIL, PROJECT = "ada@example.com", "shop"
PUBLIC_URL = "https://bus.example.com"
BEGINNING = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
BETWEEN_CALLS = timedelta(seconds=20)
REQUEST = Request("POST", b"/mcp", [])


class Call(Struct, frozen=True, kw_only=True):
    """One call, and what came of it: a refusal, or a reply of the type `shape` as JSON."""

    tool: str
    arguments: dict[str, Any]
    refusal: Refusal | None = None
    shape: type[Struct] | None = None
    reply: Any = None


class Teller:
    """Calls tools for participants, and keeps what they answered."""

    def __init__(self, store: Store, toolbox: Toolbox) -> None:
        self.calls: list[Call] = []
        self.now = BEGINNING
        self._store = store
        self._toolbox = toolbox
        self._tokens: dict[str, Any] = {}

    async def tell(self, who: str, name: str, **arguments: Any) -> None:
        """Have `who` call a tool."""
        self.now += BETWEEN_CALLS
        principal = await self._principal(who)
        exchange = Exchange(REQUEST, "", nullcontext, principal=principal, token_hash=digest(self._tokens[who]))
        tool, parser = self._toolbox._tools[name]
        outcome = await self._toolbox._run(exchange, tool, parser, arguments)
        if isinstance(outcome, Refusal):
            call = Call(tool=name, arguments=arguments, refusal=outcome)
        else:
            reply = outcome.reply
            call = Call(tool=name, arguments=arguments, shape=type(reply), reply=_settled(reply))
        self.calls.append(call)

    async def ledger(self) -> list[EventView]:
        """Everything that was written, oldest first."""
        exchange = Exchange(REQUEST, "", nullcontext, principal=await self._principal("lead"))
        tool, parser = self._toolbox._tools["query_events"]
        outcome = await self._toolbox._run(exchange, tool, parser, {"limit": 1000})
        assert not isinstance(outcome, Refusal)
        assert isinstance(outcome.reply, Events)
        return outcome.reply.events[::-1]

    async def _principal(self, who: str) -> Any:
        if who not in self._tokens:
            minted = await self._store.write(minting.mint, EMAIL, PROJECT, who, is_admin=who == "lead")
            self._tokens[who] = minted.provisioned.token
        grant = await self._toolbox._services.authenticator.authenticate(digest(self._tokens[who]))
        assert grant is not None
        return grant.principal


@asynccontextmanager
async def teller(store: Store) -> AsyncIterator[Teller]:
    """A teller on an empty store."""
    settings = Settings(data_dir=Path("unused"), public_url=PUBLIC_URL)
    services = join(store, settings, trio.Event())
    directory = Directory(store.journal, clock=lambda: told.now)
    told = Teller(store, Toolbox(replace(services, directory=directory)))
    async with trio.open_nursery() as nursery:
        await nursery.start(directory.run)
        yield told
        await directory.stop()
        nursery.cancel_scope.cancel()


async def tell(teller: Teller) -> list[Call]:
    """The whole story."""
    say = teller.tell
    await say("lead", "whoami")
    await _numbers(teller)
    await _surfaces_and_posts(teller)
    await _tasks(teller)
    await _looking_back(teller)
    await _people(teller)
    return teller.calls


async def _numbers(teller: Teller) -> None:
    say = teller.tell
    await say("lead", "seed_sequence", sequence="adr", current=12, prefix="ADR-", pad=4)
    await say("lead", "seed_sequence", sequence="adr", current=3)
    await say("lead", "list_sequences")
    await say("api", "register", lane="api", status="token refresh")
    await say("web", "register", lane="web")
    key = "docs/decisions/token-refresh.md"
    await say("api", "claim", sequence="adr", note="Token refresh", key=key)
    await say("api", "claim", sequence="migration", key=key)
    await say("api", "claim", sequence="ADR 14")
    await say("web", "latest_claims")
    await say("web", "who_is_active")


async def _surfaces_and_posts(teller: Teller) -> None:
    say = teller.tell
    await say("api", "lease", surface="src/auth/**", ttl_seconds=3600, note="refresh tokens")
    await say("web", "lease", surface="src/auth/session.py")
    await say("web", "lease", surface="/".join(["*"] * 20))
    await say("web", "lease", surface="port", pick_one=True)
    await say("web", "who_holds", surface="src/auth/session.py")
    await say("api", "release", surface="src/auth/**")
    handoff = {"subject": "Refresh endpoint is in", "body": "Merged. Left: the login page.", "ref": "feat/refresh"}
    await say("api", "post", to_lane="web", ack_within_seconds=3600, **handoff)
    await say("api", "post", body="To whom?")
    await say("api", "post", to_actor="nobody", body="Hello?")
    await say("api", "post", to_lane="web", reply_to=9, body="About that …")
    await say("web", "read_posts", to_me=True, unacked_only=True)
    await say("web", "read_posts", thread=9)
    await say("web", "ack", post_id=8, note="mine")
    await say("web", "ack", post_id=9)
    await say("web", "ack", post_ids=[8])


async def _tasks(teller: Teller) -> None:
    say = teller.tell
    await say("lead", "task_create", title="Rotate signing keys", lane="api")
    await say("lead", "task_create", title="Show when the session ends", lane="web", depends_on=[1])
    await say("lead", "task_create", title="Write it up", depends_on=[9])
    await say("lead", "task_create", title="Write it up")
    await say("lead", "task_assign", task_id=1, owner="api")
    await say("lead", "task_assign", task_id=2, owner="web")
    await say("lead", "task_assign", task_id=3, owner="nobody")
    await say("web", "task_start", task_id=1)
    await say("api", "task_start", task_id=1)
    await say("web", "task_start", task_id=2)
    await say("api", "task_block", task_id=1, on=3, reason="needs the write-up of the key format")
    await say("api", "task_block", task_id=2, reason="later")
    await say("lead", "list_tasks", ready=True)
    await say("api", "task_resolve", task_id=1, blocker=3)
    await say("api", "task_resolve", task_id=1, blocker=2)
    await say("api", "task_ship", task_id=1)
    await say("api", "task_ship", task_id=1)
    await say("lead", "task_assign", task_id=1, owner="web")
    await say("lead", "task_create", title="Warn before the session ends", lane="web", priority=3)
    await say("web", "task_start", lane="web")
    await say("lead", "task_cancel", task_id=4, reason="The banner of task 2 says it already.")
    await say("lead", "task_cancel", task_id=4, reason="Twice.")
    await say("lead", "list_tasks", task_id=4)


async def _looking_back(teller: Teller) -> None:
    say = teller.tell
    await say("api", "seed_sequence", sequence="migration", current=20260131)
    await say("api", "void_claim", sequence="adr", number=13, reason="ADR-0009 decides this already.")
    await say("web", "void_claim", sequence="adr", number=13, reason="Not needed.")
    await say("api", "void_claim", sequence="adr", number=99, reason="Not needed.")
    await say("web", "query_events", sequence="adr", number=13)
    await say("web", "query_events", number=13)
    await say("web", "whats_new", limit=2)


async def _people(teller: Teller) -> None:
    say = teller.tell
    await say("lead", "admin_provision", participant_name="docs", lane="docs")
    await say("web", "admin_provision", participant_name="docs")
    await say("lead", "admin_rotate", participant_name="docs")
    await say("lead", "admin_rotate", participant_name="nobody")
    await say("web", "admin_rotate", participant_name="docs")
    await say("lead", "admin_revoke", participant_name="docs")
    await say("web", "admin_revoke", participant_name="docs")
    await say("lead", "create_invite", lane="docs", uses=3)
    await say("web", "create_invite")
    await say("lead", "list_invites")
    await say("lead", "revoke_invite", invite_id=1)
    await say("lead", "revoke_invite", invite_id=99)
    await say("lead", "list_participants")


def _settled(reply: Reply) -> Any:
    """The reply as JSON, with dots for what is random and a fixed end for an invite."""
    text = encode(reply).decode()
    end = BEGINNING + timedelta(days=1)
    if isinstance(code := getattr(reply, "code", None), str):
        expires_at: datetime = reply.expires_at  # type: ignore[attr-defined]
        text = text.replace(code, "…").replace(f"{expires_at:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}")
    if isinstance(reply, InviteCode | OpenInvites):
        text = re.sub(r'(?<="expires_at":")[^"]*', f"{end:%Y-%m-%dT%H:%M:%S}.000Z", text)
    return json.loads(re.sub(r"llmbus_[\w-]{52}", "llmbus_…", text))
