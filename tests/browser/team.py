"""A made-up team and an afternoon of its work, for pictures: an owner's projects with what agents write into them."""

import psycopg

from store.ledger import projects
from store.people import grants
from store.people.owners import OwnerRow
from tests.web.bus import Bus

PROJECT = "Web shop"
OTHERS = {
    "payments": ("Payments", ["api", "tester"]),
    "mobile": ("Mobile app", ["web", "tester", "docs"]),
    "search": ("Search service", ["api"]),
    "handbook": ("Team handbook", ["docs"]),
}
LANES = {"planner": "planning", "api": "backend", "web": "frontend", "docs": "docs"}
REVIEWER = "jonas"

_AGE = """
with ledgers as (select project_id, max(seq) as last, rank() over (order by project_id) - 1 as place
                   from events group by 1)
update events set at = now() - (last - seq) * interval '4 minutes' - place * place * interval '9 minutes'
                     - interval '40 seconds'
  from ledgers where ledgers.project_id = events.project_id;
update liveness set at = (select max(at) from events where project_id = liveness.project_id)
                       - case when actor like '%/docs' then interval '2 hours' else interval '0' end;
update projects set created_at = now() - interval '40 days' + id * interval '6 days';
update participants set created_at = now() - interval '30 days' + id * interval '1 day';
update tokens set created_at = now() - interval '20 days' + id * interval '2 days';
delete from snapshots;
update audit set at = now() - interval '20 days' + id * interval '7 hours';
"""


async def work(bus: Bus, owner: OwnerRow) -> dict[str, str]:
    """Let the team work, through the tools that agents call; gives their tokens."""
    shop = await bus.store.write(projects.add, owner.id, "shop", PROJECT, by=owner.handle)
    tokens = {}
    for name, lane in LANES.items():
        made = await bus.store.write(
            grants.provision, shop.id, participant_name=name, lane=lane, is_admin=name == "planner", by=owner.handle
        )
        tokens[name] = made.token
    made = await bus.store.write(grants.provision, shop.id, participant_name=REVIEWER, kind="human", by=owner.handle)
    tokens[REVIEWER] = made.token
    await _plan(bus, tokens)
    await _build(bus, tokens)
    await _plan_on(bus, tokens)
    for slug in OTHERS:
        await _work_elsewhere(bus, owner, slug)
    return tokens


async def bustle(bus: Bus, owner: OwnerRow, tokens: dict[str, str]) -> None:
    """What goes on at the moment the pictures are taken."""
    api, web, docs, planner = (tokens[name] for name in ("api", "web", "docs", "planner"))
    await bus.call(planner, "register", lane="planning", status="cutting the invoices into tasks")
    await bus.call(docs, "register", lane="docs", status="writing the guide for guests")
    await bus.call(docs, "lease", surface="docs/checkout/**", note="guide for guests", ttl_seconds=3600)
    await bus.call(
        docs, "post", to_lane="frontend", subject="Which words does the address form use?", body="For the guide."
    )
    await bus.call(web, "register", lane="frontend", status="address form: postcodes of small countries")
    await bus.call(web, "lease", surface="src/checkout/**", note="new form", ttl_seconds=2700)
    await bus.call(tokens[REVIEWER], "lease", surface="src/checkout/address.tsx", note="reading along", ttl_seconds=900)
    await bus.call(api, "register", lane="backend", status="importing the EU tax table")
    await bus.call(api, "lease", surface="src/tax/**", ttl_seconds=5400)
    await bus.call(api, "lease", surface="migrations/0014_*", ttl_seconds=1200)
    await bus.call(api, "claim", sequence="migration", note="tax_rates")
    await bus.call(
        *(api, "post"),
        to_actor=owner.handle,
        subject="Two tax tables differ for books in Ireland",
        body="The one of the accountant says 0 %, the old code 9 %. Which one counts?",
        ref="task:3",
    )
    await bus.call(tokens[REVIEWER], "register", lane="review", status="reading PR-221")


async def _plan_on(bus: Bus, tokens: dict[str, str]) -> None:
    """More to do, some of it waiting."""
    planner, api, web = tokens["planner"], tokens["api"], tokens["web"]
    for title, more in (
        ("Import the EU tax table", {"lane": "backend", "owner": "api", "priority": 4}),
        ("Round as the books do", {"lane": "backend", "depends_on": [3], "priority": 3}),
        ("Invoice as PDF", {"lane": "backend", "depends_on": [3, 4]}),
        ("Checkout without an account", {"lane": "frontend", "owner": "web", "depends_on": [2]}),
        ("Guide for guests", {"lane": "docs", "owner": "docs"}),
        ("Load test of the checkout", {"lane": "backend", "depends_on": [5, 6]}),
        ("Translate the order mails", {"lane": "docs", "priority": 1}),
        ("Remember the basket for a week", {"lane": "frontend", "owner": "web"}),
    ):
        await bus.call(planner, "task_create", title=title, **more)
    await bus.call(api, "task_start", task_id=3)
    await bus.call(tokens["docs"], "task_start", task_id=7)
    await bus.call(web, "task_start", task_id=10)
    await bus.call(web, "task_block", task_id=10, reason="may we keep addresses of guests? Somebody has to decide")


async def _plan(bus: Bus, tokens: dict[str, str]) -> None:
    planner, api = tokens["planner"], tokens["api"]
    await bus.call(planner, "register", lane="planning", status="splitting the checkout into tasks")
    await bus.call(planner, "seed_sequence", sequence="adr", current=11, prefix="ADR-", pad=4)
    await bus.call(planner, "claim", sequence="adr", note="Checkout without an account")
    totals = await bus.call(planner, "task_create", title="Compute cart totals on the server", lane="backend")
    form = await bus.call(planner, "task_create", title="Address form", lane="frontend", depends_on=[totals["task_id"]])
    await bus.call(planner, "task_assign", task_id=totals["task_id"], owner="api")
    await bus.call(planner, "task_assign", task_id=form["task_id"], owner="web")
    await bus.call(api, "register", lane="backend", status="cart totals, rounding")
    await bus.call(api, "task_start", task_id=totals["task_id"])
    await bus.call(api, "lease", surface="src/cart/**", note="moving the totals to the server", ttl_seconds=7200)


async def _build(bus: Bus, tokens: dict[str, str]) -> None:
    api, web, docs = tokens["api"], tokens["web"], tokens["docs"]
    await bus.call(web, "register", lane="frontend", status="address form")
    await bus.call(web, "lease", surface="src/checkout/address.tsx", note="new form")
    await bus.call(api, "claim", sequence="migration", note="order_totals")
    asked = await bus.call(
        *(api, "post"),
        to_lane="frontend",
        subject="Cart totals come from the server now",
        body="GET /cart answers with `total` and `tax` in minor units. Please stop adding them up in the browser.",
        ref="PR-218",
        tag="handoff",
    )
    await bus.call(web, "ack", post_id=asked["post_id"])
    await bus.call(web, "post", to_actor="api", body="Done, the browser adds nothing up.", reply_to=asked["post_id"])
    await bus.call(docs, "register", lane="docs", status="checkout guide")
    await bus.call(tokens[REVIEWER], "register", lane="review", status="reading PR-218")
    await bus.call(
        *(api, "post"),
        to_actor=REVIEWER,
        subject="Rounding: half to even?",
        body="The books round half to even. The old code rounded up.",
        ref="PR-218",
        tag="review",
    )
    await bus.call(api, "task_ship", task_id=1)
    await bus.call(api, "release", surface="src/cart/**")
    await bus.call(docs, "claim", sequence="adr", note="Totals in minor units")
    await bus.call(
        tokens["planner"], "post", to_lane="docs", subject="Guide for guests", body="Who checks out as a guest?"
    )
    await bus.call(web, "task_start", task_id=2)


async def _work_elsewhere(bus: Bus, owner: OwnerRow, slug: str) -> None:
    name, labels = OTHERS[slug]
    project = await bus.store.write(projects.add, owner.id, slug, name, by=owner.handle)
    for label in labels:
        made = await bus.store.write(grants.provision, project.id, participant_name=label, by=owner.handle)
        await bus.call(made.token, "register", lane="backend")
        for number in range(17 * len(slug)):
            await bus.call(made.token, "claim", sequence="adr", note=f"decision {number}")
        await bus.call(made.token, "post", to_lane="frontend", body="Ready for you.")


def age(database_url: str) -> None:
    """Spread over an afternoon what took a second; no server may be running."""
    with psycopg.connect(database_url) as session:
        session.execute(_AGE.encode())
