"""All that an owner can have, one of each: what the tests that walk every page of the web admin stand on.

An estate is made with `Words`, every text that a user or an agent may store, so that the same walk can be taken over
plain words, over the longest that are allowed, and over hostile ones.
"""

from collections.abc import Callable

from msgspec import Struct

from store.ledger import projects, webhooks
from store.people import cards, grants, invites, links, participants, sessions, tokens
from tests.web.admin.admin_client import AdminClient
from tests.web.bus import Bus
from web.admin.cards import TokenCard, seal


class Words(Struct, frozen=True, kw_only=True):
    """Every text in an estate. Names of participants have no `/`."""

    project_name: str = "Web shop"
    label: str = "builder"
    peer: str = "reviewer"
    lane: str = "checkout"
    status: str = "wiring the cart to the payments"
    note: str = "the storage format"
    subject: str = "Cart totals are ready for review"
    body: str = "The totals are computed on the server now.\n\nPlease look at the rounding."
    reply: str = "Looks right to me."
    ref: str = "PR-42"
    tag: str = "review"
    surface: str = "src/cart/**"
    lease_note: str = "moving the totals"
    title: str = "Round to the currency's minor unit"
    detail: str = "Half to even, as the books do."
    reason: str = "waits for the tax table"
    prefix: str = "ADR-"
    token_name: str = "laptop"
    invite_label: str = "newcomer"
    invite_email: str = "guest@example.com"
    user_agent: str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0"


LENGTHS_MAX = {
    "project_name": 100,
    "label": 64,
    "peer": 64,
    "lane": 64,
    "status": 140,
    "note": 500,
    "subject": 200,
    "body": 8000,
    "reply": 8000,
    "ref": 120,
    "tag": 64,
    "surface": 200,
    "lease_note": 200,
    "title": 200,
    "detail": 4000,
    "reason": 500,
    "prefix": 16,
    "token_name": 64,
    "invite_label": 64,
    "invite_email": 254,
    "user_agent": 200,
}
"""How many characters each may have; of a user agent no more are kept."""

SCRIPTS = {
    "element": "<script>hacked='{}'</script>",
    "attribute": "\"><img src=x onerror=hacked='{}'>",
    "apostrophe": "'><svg onload=hacked='{}'>",
    "address": "javascript:hacked='{}';",
}
"""Texts that set `hacked` where a page takes them for more than text; `{}` says which text it is."""

EVENTS_OF_A_PROJECT_MAX = 30
"""More than `found` writes."""

TASKS_OF_A_PROJECT_MAX = 3
"""More than it creates after those."""

NOBODY_LISTENS = "https://192.0.2.1/hook"
"""An address that is not public (RFC 5737), so nothing is sent there."""

LABELS = frozenset({"label", "peer", "invite_label"})


def written(write: Callable[[str], str]) -> Words:
    """Words in which every text is what `write` makes of its field's name; too short to hold it, the field is plain."""
    texts = {name: write(name) for name in Words.__struct_fields__}
    texts |= {name: texts[name].replace("/", "") for name in LABELS}
    if texts["surface"].startswith("<"):  # such a surface is refused
        del texts["surface"]
    texts["invite_email"] = "".join(texts["invite_email"].split()) + "@example.com"
    return Words(**{name: text for name, text in texts.items() if len(text) <= LENGTHS_MAX[name]})


def longest() -> Words:
    """Words as long as they may be, without a place to break them."""
    texts = {name: (f"{name}-" * length)[:length] for name, length in LENGTHS_MAX.items()}
    texts["invite_email"] = f"{'guest' * 40}@example.com"
    return Words(**texts)


class Estate(Struct, frozen=True, kw_only=True):
    """One of each: ids by the names that routes give them, names that forms ask for, tokens of its two agents."""

    project_id: int
    participant_id: int
    participation_id: int
    invite_id: int
    post_id: int
    lease_id: int
    task_id: int
    key: int
    owner_id: int
    card_id: int
    token_id: int
    slug: str
    label: str
    invite_code: str = ""
    link_code: str = ""
    token: str = ""
    peer_token: str = ""


def nobodys(missing: int) -> Estate:
    """An estate that does not exist: every id is this one."""
    return Estate(
        project_id=missing,
        participant_id=missing,
        participation_id=missing,
        invite_id=missing,
        post_id=missing,
        lease_id=missing,
        task_id=missing,
        key=missing,
        owner_id=missing,
        card_id=missing,
        token_id=missing,
        slug="shop",
        label="builder",
    )


async def found(bus: Bus, client: AdminClient, slug: str = "shop", words: Words | None = None) -> Estate:
    """A project with agents who have done everything that leaves words behind, invites, and a second session."""
    words = words or Words()
    store, owner = bus.store, client.owner
    project = await store.write(projects.add, owner.id, slug, words.project_name, by=owner.handle)
    lead = await store.write(
        grants.provision,
        project.id,
        participant_name=words.label,
        lane=words.lane,
        is_admin=True,
        by="test",
        token_name=words.token_name,
    )
    peer = await store.write(grants.provision, project.id, participant_name=words.peer, kind="human", by="test")
    for _ in range(EVENTS_OF_A_PROJECT_MAX * project.id):  # so that no id of a post is one in another project too
        await bus.call(lead.token, "claim", sequence="earlier")
    await store.write(webhooks.save, owner.id, project.id, url=NOBODY_LISTENS, shape="json", by=owner.handle)
    post_id, task_id, lease_id = await _work(bus, lead.token, peer.token, words, TASKS_OF_A_PROJECT_MAX * project.id)
    await store.write(
        invites.create, project.id, participant_name=words.invite_label, lane=words.lane, uses=3, by="test"
    )
    await store.write(invites.create, project.id, email=words.invite_email, by="test")
    to_owner = await store.write(invites.create, project.id, email=owner.email, by="test")
    await bus.store.write(sessions.open_session, owner.id, user_agent=words.user_agent, replacing=None)
    members = await store.read(participants.members, owner.id, project.id)
    made = await store.read(invites.list_all, owner.id, project.id)
    assert members is not None
    assert made is not None
    opened = await bus.store.read(sessions.list_sessions, owner.id)
    member = next(each for each in members if each.name == words.label)
    card = TokenCard(project_id=project.id, project_name=project.name, participant=words.label, token=lead.token)
    return Estate(
        project_id=project.id,
        participant_id=member.participant_id,
        participation_id=member.participation_id,
        invite_id=next(invite.id for invite in made if invite.label == words.invite_label),
        post_id=post_id,
        lease_id=lease_id,
        task_id=task_id,
        key=next(session.key for session in opened if session.user_agent == words.user_agent),
        owner_id=owner.id,
        card_id=await store.write(cards.keep, client.session_id, seal(client.session_id, card)),
        token_id=(await store.read(tokens.list_working, member.participation_id))[0].id,
        slug=slug,
        label=words.label,
        invite_code=to_owner.code,
        link_code=str(await bus.store.write(links.make, owner.email)),
        token=lead.token,
        peer_token=peer.token,
    )


async def _work(bus: Bus, token: str, peer: str, words: Words, earlier_tasks: int) -> tuple[int, int, int]:
    """Leave every kind of event behind; the ids of a post that was answered and acknowledged, a task, and a lease."""
    await bus.call(token, "register", lane=words.lane, status=words.status)
    await bus.call(token, "seed_sequence", sequence="adr", current=3, prefix=words.prefix, pad=4)
    for _ in range(2):
        claimed = await bus.call(token, "claim", sequence="adr", note=words.note)
    await bus.call(token, "void_claim", sequence="adr", number=claimed["number"], reason=words.reason)
    post = {"subject": words.subject, "body": words.body, "ref": words.ref, "tag": words.tag}
    await bus.call(token, "post", to_lane=words.lane, **post)
    asked = await bus.call(token, "post", to_actor=words.peer, **post)
    await bus.call(peer, "ack", post_id=asked["post_id"])
    await bus.call(peer, "post", to_actor=words.label, body=words.reply, reply_to=asked["post_id"])
    lease = await bus.call(token, "lease", surface=words.surface, note=words.lease_note)
    for _ in range(earlier_tasks):  # so that a later project has a task with an id that is none in this one
        await bus.call(token, "task_create", title=words.title, priority=4)
    task = await bus.call(token, "task_create", title=words.title, detail=words.detail, lane=words.lane)
    await bus.call(token, "task_assign", task_id=task["task_id"], owner=words.label)
    await bus.call(token, "task_start", task_id=task["task_id"])
    await bus.call(token, "task_block", task_id=task["task_id"], reason=words.reason)
    await bus.call(token, "task_create", title=words.title, depends_on=[task["task_id"]])
    return asked["post_id"], task["task_id"], lease["lease_id"]
