"""A story through every tool, as one table: who calls what, with which arguments, and exactly what comes back.

In a fresh project every id is known beforehand, so that no call needs the answer to an earlier one; event numbers
stand in the margin. The cast: `lead`, who leads the project, and `scout`, who does not, both of the same owner.
"""

from typing import Any

from tests.acceptance.telling import (
    TEXT,
    TIME,
    TOKEN,
    Call,
    Like,
    Object,
    Refused,
    Same,
    Step,
    seconds_up_to,
    text_like,
)

STATUS = "planning ☕"
SEED = {"sequence": "adr", "current": 41, "prefix": "ADR-", "pad": 4}
WHICH_QUEUE = {"sequence": "adr", "number": 42, "formatted": "ADR-0042", "note": "which queue?"}
WRITTEN = {"subject": "Login is yours", "ref": "feature/login", "tag": "handoff"}
BODY = "Tests are green.\nStart with src/auth/login.py: „naïve“ on purpose. 🚌"
KEY = "docs/decisions/0043.md"


class Story:
    """The steps told so far, and the names in them."""

    def __init__(self, project: str, handle: str, public_url: str) -> None:
        self.project = project
        self.handle = handle
        self.public_url = public_url
        self.lead = f"{handle}/lead"
        self.scout = f"{handle}/scout"
        self.steps: list[Step] = []

    def tell(self, who: str, tool: str, expected: Object | Refused, /, **arguments: Any) -> None:
        """Add a step: `who` calls `tool` with the arguments, and this must come of it."""
        self.steps.append(Step(Call(who, tool, arguments), expected))

    def myself(self, label: str, *, is_admin: bool) -> Object:
        """What `whoami` answers."""
        actor = f"{self.handle}/{label}"
        return {"actor": actor, "handle": self.handle, "label": label, "project": self.project, "is_admin": is_admin}

    @property
    def claims(self) -> list[Object]:
        """The newest claim of each sequence, once the numbers are claimed."""
        return [
            {"sequence": "adr", "number": 43, "formatted": "ADR-0043", "by": self.scout, "at": TIME},
            {"sequence": "migration", "number": 1, "formatted": "1", "by": self.lead, "at": TIME},
        ]

    @property
    def lead_holds(self) -> Object:
        """The lead's lease, as others are told of it."""
        return {"actor": self.lead, "surface": "src/auth/**", "expires_at": TIME}


def story(project: str, handle: str, public_url: str) -> list[Step]:
    """All the steps, for a project in which nothing has happened yet."""
    told = Story(project, handle, public_url)
    for chapter in (arrival, numbers, handoff, surfaces, tasks, ledger, digest, regrets, promises, people):
        chapter(told)
    return told.steps


def arrival(story: Story) -> None:
    """Two agents come to the project and say what they are there for."""
    story.tell("lead", "whoami", story.myself("lead", is_admin=True))
    story.tell("scout", "whoami", story.myself("scout", is_admin=False))
    registered = {"actor": story.lead, "lane": "core", "status": STATUS, "registered_at": TIME}
    story.tell("lead", "register", registered, lane="core", status=STATUS)  # event 1
    registered = {"actor": story.scout, "lane": "api", "status": "", "registered_at": TIME}
    story.tell("scout", "register", registered, lane="api")  # 2
    lead = {"actor": story.lead, "lane": "core", "status": STATUS, "last_seen": TIME}
    scout = {"actor": story.scout, "lane": "api", "status": "", "last_seen": TIME}
    story.tell("lead", "who_is_active", {"active": [lead, scout]})
    story.tell("lead", "who_is_active", {"active": [scout]}, lane="api", within_seconds=3600)
    story.tell("lead", "register", Refused("invalid", "lane"), lane="")


def numbers(story: Story) -> None:
    """Forty-one decisions were numbered before the bus came; the next numbers are claimed."""
    story.tell("lead", "seed_sequence", SEED, **SEED)  # 3
    story.tell("scout", "claim", WHICH_QUEUE, sequence="adr", note="which queue?")  # 4
    keyed = {"sequence": "adr", "number": 43, "formatted": "ADR-0043", "note": None}
    story.tell("scout", "claim", keyed, sequence="adr", key=KEY)  # 5
    story.tell("scout", "claim", keyed, sequence="adr", key=KEY)
    story.tell("scout", "claim", Refused("conflict"), sequence="migration", key=KEY)
    unseeded = {"sequence": "migration", "number": 1, "formatted": "1", "note": None, "new_sequence": True}
    story.tell("lead", "claim", unseeded, sequence="migration")  # 6
    story.tell("lead", "claim", Refused("invalid", "sequence"), sequence="Not A Name")
    story.tell("lead", "claim", Refused("invalid", "sequence"))
    story.tell("lead", "seed_sequence", Refused("conflict", "43"), sequence="adr", current=7)
    adr = {"name": "adr", "prefix": "ADR-", "pad": 4, "last_used": 43, "next": 44, "next_formatted": "ADR-0044"}
    migration = {"name": "migration", "prefix": "", "pad": 0, "last_used": 1, "next": 2, "next_formatted": "2"}
    story.tell("lead", "list_sequences", {"sequences": [adr, migration]})
    story.tell("scout", "latest_claims", {"sequences": story.claims})


def handoff(story: Story) -> None:
    """Work is handed to a lane, answered to a person, and both are acknowledged."""
    sent = {"post_id": 7, "event_id": 7, "created_at": TIME}
    story.tell("lead", "post", sent, to_lane="api", body=BODY, key="handoff", **WRITTEN)  # 7
    story.tell("lead", "post", sent, to_lane="api", body=BODY, key="handoff", **WRITTEN)
    story.tell("lead", "post", Refused("invalid"), body="to whom?")
    story.tell("lead", "post", Refused("invalid", "body"), to_lane="api", body="  \n ")
    story.tell("lead", "post", Refused("not_found", "nobody"), to_actor="nobody", body="hello?")
    story.tell("lead", "post", Refused("not_found"), to_actor="somebody-else/scout", body="hello?")
    story.tell("scout", "whoami", {**story.myself("scout", is_admin=False), "_unread_posts": 1})
    stamped = {"created_at": TIME, "acked": False}
    first = {"post_id": 7, "from": story.lead, "to_lane": "api", "to_actor": None, "body": BODY, **WRITTEN, **stamped}
    story.tell("scout", "read_posts", {"posts": [first]}, to_me=True, unacked_only=True, wait_seconds=5)
    story.tell("scout", "read_posts", {"posts": [first]}, to_lane="api", tag="handoff", ref="feature/login", limit=1)
    story.tell("scout", "read_posts", {"posts": []}, tag="another")
    sent = {"post_id": 8, "event_id": 8, "created_at": TIME, "_unread_posts": 1}
    story.tell("scout", "post", sent, to_actor="lead", body="On it.", reply_to=7)  # 8
    acked_at = Same(TIME)
    story.tell("scout", "ack", {"post_id": 7, "acked_at": acked_at}, post_id=7)  # 9
    story.tell("scout", "ack", {"post_id": 7, "acked_at": acked_at}, post_id=7)
    story.tell("scout", "ack", Refused("not_found", "999"), post_id=999)
    acknowledged = {**first, "acked_by": [{"actor": story.scout, "at": acked_at}]}
    story.tell("lead", "read_posts", {"posts": [acknowledged]}, from_me=True)
    blank = {"subject": None, "ref": None, "tag": None, "to_lane": None}
    second = {"post_id": 8, "from": story.scout, "to_actor": story.lead, "body": "On it.", **blank, **stamped}
    story.tell("lead", "read_posts", {"posts": [{**second, "reply_to": 7}, first]}, thread=8)
    story.tell("lead", "read_posts", {"posts": [first]}, thread=7, before=8)
    story.tell("lead", "latest_claims", {"sequences": story.claims, "_unread_posts": 1})
    story.tell("lead", "ack", {"post_id": 8, "acked_at": TIME}, post_id=8)  # 10


def surfaces(story: Story) -> None:
    """One leases a glob, the other a path under it; each is told of the other."""
    granted = {"lease_id": 11, "surface": "src/auth/**", "expires_at": TIME, "others": []}
    story.tell("lead", "lease", granted, surface="./src//auth/**", ttl_seconds=600, note="renaming")  # 11
    granted = {"lease_id": 12, "surface": "src/auth/login.py", "expires_at": TIME, "others": [story.lead_holds]}
    story.tell("scout", "lease", granted, surface="src/auth/login.py")  # 12
    lead = {**story.lead_holds, "expires_in_seconds": seconds_up_to(600), "note": "renaming", "mode": "exclusive"}
    held = {"surface": "src/auth/login.py", "actor": story.scout, "expires_at": TIME}
    scout = {**held, "expires_in_seconds": seconds_up_to(1800), "note": None, "mode": "exclusive"}
    story.tell("lead", "who_holds", {"leases": [scout, lead]})
    story.tell("lead", "who_holds", {"leases": [lead]}, surface="src/auth/*/token.py")
    story.tell("lead", "who_holds", {"leases": []}, surface="src/[auth]/login.py")
    story.tell("scout", "release", {"released": 1}, surface="src/auth/../auth/login.py")  # 13
    story.tell("scout", "release", {"released": 0}, surface="src/auth/login.py")
    granted = {"lease_id": 14, "surface": "docs/*.md", "expires_at": TIME, "others": []}
    story.tell("scout", "lease", granted, surface="docs/*.md", mode="shared", wait_seconds=5)  # 14
    story.tell("scout", "lease", Refused("invalid", "mode"), surface="docs/*.md", mode="possessive")


def tasks(story: Story) -> None:
    """Building waits for the design by plan, the design waits for a library by surprise; all of it ships."""
    story.tell("lead", "task_create", {"task_id": 1, "status": "open"}, title="Design", lane="core")  # 15
    built = {"title": "Build", "detail": "As designed.", "owner": "scout", "depends_on": [1]}
    story.tell("lead", "task_create", {"task_id": 2, "status": "assigned"}, **built)  # 16
    story.tell("scout", "task_start", Refused("conflict", "1"), task_id=2)
    assigned = {"task_id": 1, "owner": story.lead, "status": "assigned"}
    story.tell("lead", "task_assign", assigned, task_id=1, owner=story.lead)  # 17
    story.tell("lead", "task_start", {"task_id": 1, "status": "in_progress"}, task_id=1)  # 18
    story.tell("scout", "task_create", {"task_id": 3, "status": "open"}, title="Choose")  # 19
    story.tell("lead", "task_block", {"task_id": 1, "status": "blocked"}, task_id=1, on=3, reason="which one?")  # 20
    free: Object = {"blockers": []}
    design = {"task_id": 1, "title": "Design", "lane": "core", "owner": story.lead}
    design = {**design, "status": "blocked", "blockers": [{"on": 3, "reason": "which one?"}]}
    build = {"task_id": 2, "title": "Build", "lane": None, "owner": story.scout, "status": "assigned", **free}
    choose = {"task_id": 3, "title": "Choose", "lane": None, "owner": None, "status": "open", **free}
    story.tell("lead", "list_tasks", {"tasks": [design]}, status="blocked", owner=story.lead, lane="core")
    story.tell("lead", "list_tasks", {"tasks": [choose, {**build, "waits_for": [1]}, design]})
    story.tell("lead", "list_tasks", {"tasks": [choose]}, ready=True, limit=1)
    story.tell("lead", "task_resolve", {"task_id": 1, "status": "in_progress"}, task_id=1, blocker=3)  # 21
    story.tell("lead", "task_block", {"task_id": 1, "status": "blocked"}, task_id=1, on=3, reason="again")  # 22
    story.tell("lead", "task_ship", Refused("conflict", "blocked"), task_id=1)
    assigned = {"task_id": 3, "owner": story.scout, "status": "assigned"}
    story.tell("scout", "task_assign", assigned, task_id=3, owner="scout")  # 23
    story.tell("scout", "task_start", {"task_id": 3, "status": "in_progress"}, task_id=3)  # 24
    story.tell("scout", "task_block", Refused("conflict", "cycle"), task_id=3, on=1, reason="the design")
    story.tell("scout", "task_ship", {"task_id": 3, "status": "done"}, task_id=3)  # 25, and 26 sets the design free
    story.tell("lead", "task_ship", {"task_id": 1, "status": "done"}, task_id=1)  # 27
    story.tell("scout", "task_start", {"task_id": 2, "status": "in_progress"}, task_id=2)  # 28
    story.tell("scout", "list_tasks", {"tasks": [{**build, "status": "in_progress"}]}, owner=story.scout, ready=True)
    story.tell("lead", "task_start", Refused("not_found", "999"), task_id=999)
    story.tell("lead", "task_cancel", Refused("not_found", "999"), task_id=999, reason="no need")
    story.tell("lead", "list_tasks", Refused("not_found", "999"), task_id=999)


def ledger(story: Story) -> None:
    """All of it can be looked up, but for what was written in private."""
    claimed = event(4, story.scout, "claim", **WHICH_QUEUE)
    story.tell("lead", "query_events", {"events": [claimed]}, sequence="adr", number=42)
    posted = event(7, story.lead, "post", to_lane="api", to_actor=None, thread=7, **WRITTEN)
    sought = {"type": "post", "actor": story.lead, "tag": "handoff", "ref": "feature/login"}
    story.tell("lead", "query_events", {"events": [posted]}, since="2020-01-01T00:00:00Z", **sought)
    resolved = event(26, story.scout, "task_resolve", task_id=1, blocker=3)
    shipped = event(25, story.scout, "task_ship", task_id=3)
    story.tell("lead", "query_events", {"events": [resolved, shipped]}, actor=story.scout, before=27, last_n=2)
    story.tell("lead", "query_events", {"events": []}, until="2020-01-01T00:00:00Z", limit=1000)
    story.tell("lead", "query_events", Refused("invalid", "since"), since="yesterday")


def digest(story: Story) -> None:
    """Each catches up: what happened, what they hold, what they owe and are owed."""
    sent = {"post_id": 29, "event_id": 29, "created_at": TIME}
    story.tell("lead", "post", sent, to_actor="scout", body="Thanks!")  # 29
    thanks = {"post_id": 29, "from": story.lead, "to_actor": story.scout, "created_at": TIME}
    held = [{"surface": "docs/*.md", "actor": story.scout, "expires_at": TIME}, story.lead_holds]
    standing = {"active_leases": held, "latest_claims": {"adr": "ADR-0043", "migration": "1"}}
    owing = {"unacked_posts": [thanks], "awaiting_ack": [], **standing}

    def caught_up(since: int, events: object, remaining: int) -> Object:
        return {"since_event_id": since, "events": events, "remaining": remaining, **owing}

    first = [
        event(1, story.lead, "register", lane="core", status=STATUS),
        event(2, story.scout, "register", lane="api", status=""),
    ]
    third = event(3, story.lead, "seed", **SEED)
    story.tell("scout", "whats_new", caught_up(0, first, 27), limit=2, advance_cursor=False)
    story.tell("scout", "whats_new", caught_up(0, first, 27), limit=2)
    story.tell("scout", "whats_new", caught_up(2, [third], 26), limit=1)
    story.tell("scout", "whats_new", caught_up(3, events_numbered(4, 29), 0), wait_seconds=5)
    story.tell("scout", "whats_new", caught_up(29, [], 0))
    owed = {"unacked_posts": [], "awaiting_ack": [thanks], **standing}
    everything = {"since_event_id": 0, "events": events_numbered(1, 29), "remaining": 0, **owed}
    story.tell("lead", "whats_new", everything)
    story.tell("scout", "ack", {"post_id": 29, "acked_at": TIME}, post_id=29)  # 30


def regrets(story: Story) -> None:
    """A number is not needed after all, and a kind of number neither."""
    void = {"sequence": "adr", "number": 43, "formatted": "ADR-0043"}
    story.tell("scout", "void_claim", void, sequence="adr", number=43, reason="merged into ADR-0042")  # 31
    story.tell("scout", "void_claim", void, sequence="adr", number=43, reason="merged into ADR-0042")
    story.tell("scout", "void_claim", Refused("forbidden", "lead"), sequence="migration", number=1, reason="mine?")
    story.tell("scout", "void_claim", Refused("not_found", "44"), sequence="adr", number=44, reason="never claimed")
    story.tell("scout", "seed_sequence", Refused("forbidden", "leads"), sequence="adr", current=10_044)
    story.tell("scout", "seed_sequence", Refused("forbidden", "leads"), sequence="migration", archived=True)
    archived = {"sequence": "migration", "current": 1, "prefix": "", "pad": 0, "archived": True}
    story.tell("lead", "seed_sequence", archived, sequence="migration", archived=True)  # 32
    story.tell("scout", "claim", Refused("conflict", "archived"), sequence="migration")
    adr = {"name": "adr", "prefix": "ADR-", "pad": 4, "last_used": 43, "next": 44, "next_formatted": "ADR-0044"}
    migration = {"name": "migration", "prefix": "", "pad": 0, "last_used": 1, "next": 2, "next_formatted": "2"}
    story.tell("lead", "list_sequences", {"sequences": [{**adr, "voids": 1}], "archived": [migration]})


def promises(story: Story) -> None:
    """Posts that must be acknowledged in time, several at once; and a port for each."""
    for post_id in (33, 34):
        sent = {"post_id": post_id, "event_id": post_id, "created_at": TIME}
        story.tell("lead", "post", sent, to_actor="scout", body="Now?", ack_within_seconds=3600)  # 33, 34
    head = {"from": story.lead, "to_actor": story.scout, "created_at": TIME, "due_at": TIME}
    since = {
        "since_event_id": 34,
        "events": [],
        "remaining": 0,
        "awaiting_ack": [{**head, "post_id": 34}, {**head, "post_id": 33}],
    }
    held = [{"surface": "docs/*.md", "actor": story.scout, "expires_at": TIME}, story.lead_holds]
    standing = {"unacked_posts": [], "active_leases": held, "latest_claims": {"adr": "ADR-0043"}}
    story.tell("lead", "whats_new", {**since, **standing}, after=34)
    acked = [{"post_id": 33, "acked_at": TIME}, {"post_id": 34, "acked_at": TIME}]
    story.tell("scout", "ack", Refused("not_found", "999"), post_ids=[33, 999])
    story.tell("scout", "ack", Refused("invalid", "post_ids"))
    story.tell("scout", "ack", {"acked": acked}, post_ids=[33, 34], note="mine")  # 35, 36
    story.tell("scout", "ack", Refused("conflict", "reply_to 33"), post_id=33, note="not me")
    blank = {"subject": None, "ref": None, "tag": None, "to_lane": None, "created_at": TIME, "acked": False}
    post = {"post_id": 34, "from": story.lead, "to_actor": story.scout, "body": "Now?", **blank, "due_at": TIME}
    shown = {**post, "acked_by": [{"actor": story.scout, "at": TIME, "note": "mine"}]}
    story.tell("lead", "read_posts", {"posts": [shown]}, from_me=True, limit=1)
    for who, lease_id, port in (("lead", 37, 3000), ("scout", 38, 3001)):
        granted = {"lease_id": lease_id, "surface": f"port:{port}", "expires_at": TIME, "others": []}
        story.tell(who, "lease", granted, surface="port:3000-3001", pick_one=True)  # 37, 38
    story.tell("lead", "lease", Refused("conflict", "every value"), surface="port:3000-3001", pick_one=True)
    story.tell("lead", "lease", Refused("invalid", "not a range"), surface="src/auth", pick_one=True)


def people(story: Story) -> None:
    """Somebody comes, changes the token and goes; another is invited. Only the lead may do that."""
    story.tell("scout", "admin_provision", Refused("forbidden"), participant_name="helper")
    story.tell("scout", "admin_rotate", Refused("forbidden"), participant_name="lead")
    story.tell("scout", "admin_revoke", Refused("forbidden"), participant_name="lead")
    story.tell("scout", "create_invite", Refused("forbidden"))
    story.tell("scout", "list_invites", Refused("forbidden"))
    story.tell("scout", "revoke_invite", Refused("forbidden"), invite_id=1)
    helper = {"participant_name": "helper", "kind": "agent", "lane": "docs", "is_admin": False}
    story.tell("lead", "admin_provision", credentials(story), **helper)
    story.tell("lead", "admin_provision", Refused("invalid", "participant_name"), participant_name="a/b")
    story.tell("lead", "admin_rotate", credentials(story), participant_name="helper")
    story.tell("lead", "admin_rotate", Refused("not_found", "stranger"), participant_name="stranger")

    def row(name: str, lane: str | None, *, is_admin: bool = False, token_active: bool = True) -> Object:
        shown = {"name": name, "actor": f"{story.handle}/{name}", "kind": "agent", "lane": lane}
        return {**shown, "is_admin": is_admin, "token_active": token_active}

    pair = [row("lead", None, is_admin=True), row("scout", None)]
    story.tell("scout", "list_participants", {"participants": [row("helper", "docs"), *pair]})
    revoked = {"project": story.project, "participant": "helper", "revoked": 1}
    story.tell("lead", "admin_revoke", revoked, participant_name="helper")
    revoked = {"project": story.project, "participant": "stranger", "revoked": 0}
    story.tell("lead", "admin_revoke", revoked, participant_name="stranger")
    story.tell("scout", "list_participants", {"participants": [row("helper", "docs", token_active=False), *pair]})
    invite = {"code": TEXT, "expires_at": TIME, "redeem_url": f"{story.public_url}/join", "invite_prompt": TEXT}
    guest = {"participant_name": "guest", "kind": "agent", "lane": "docs", "is_admin": False}
    story.tell("lead", "create_invite", invite, uses=2, ttl_hours=48, **guest)
    story.tell("lead", "create_invite", Refused("invalid", "uses"), uses=51)
    listed = {"participant": "guest", "kind": "agent", "lane": "docs", "is_admin": False, "uses_left": 2}
    number = Like("an invite's id", lambda value: type(value) is int and value > 0)
    story.tell("lead", "list_invites", {"invites": [{"invite_id": number, **listed, "expires_at": TIME}]})
    story.tell("lead", "revoke_invite", Refused("not_found"), invite_id=999_999)


def event(number: int, actor: str, kind: str, /, **payload: Any) -> Object:
    """One event, as the ledger shows it."""
    return {"id": number, "ts": TIME, "actor": actor, "type": kind, "payload": payload}


def events_numbered(first: int, last: int) -> Like:
    """These events, oldest first, whatever is in them."""
    numbers = list(range(first, last + 1))
    return Like(f"events {first} to {last}", lambda value: [found["id"] for found in value] == numbers)


def credentials(story: Story) -> Object:
    """What the lead gets to hand to the helper: a token, and how to use it."""
    url = f"{story.public_url}/mcp"
    server = {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${LLM_BUS_TOKEN}"}}
    export = text_like("export of the token", r"export LLM_BUS_TOKEN=llmbus_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
    setup = {"note": TEXT, "mcp_url": url, "env": export, "mcp_json": {"mcpServers": {"llm-bus": server}}}
    helper = {"participant": "helper", "kind": "agent", "lane": "docs", "is_admin": False}
    return {"project": story.project, **helper, "token": TOKEN, "setup": setup}
