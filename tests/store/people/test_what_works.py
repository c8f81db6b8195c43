"""What works is found without a look at all that was taken back: a lead can make and revoke in a loop."""

from typing import Any, LiteralString

import pytest

from store import Store
from store.people import grants, invites, quotas, tokens
from tests.store.estate import settle

pytestmark = pytest.mark.usefixtures("bounded")

TAKEN_BACK = 5_000

_REVOKED_TOKENS = f"""
insert into tokens (participation_id, sha256, revoked_at)
select %s, sha256(n::text::bytea), now() from generate_series(1, {TAKEN_BACK}) as n
"""

_REVOKED_INVITES = f"""
insert into invites (project_id, sha256, kind, is_admin, uses_max, expires_at, revoked_at)
select %s, sha256(n::text::bytea), 'agent', false, 1, now() + interval '1 day', now()
  from generate_series(1, {TAKEN_BACK}) as n
"""


@pytest.mark.parametrize(
    "statement",
    [grants._LIST, tokens._LIST, invites._LIST_OPEN, quotas._COUNTS["tokens"], quotas._COUNTS["invites"]],
    ids=["participants", "tokens", "open invites", "count of tokens", "count of invites"],
)
async def test_what_was_taken_back_is_not_looked_at(store: Store, statement: LiteralString) -> None:
    ann = await settle(store, "ann@example.com")
    async with store.transaction() as connection:
        await connection.execute(_REVOKED_TOKENS, (ann.participation_id,))
        await connection.execute(_REVOKED_INVITES, (ann.project_id,))
        await connection.execute("analyze tokens, invites")
        of_owner = dict.fromkeys(quotas._COUNTS.values(), ann.owner.id)
        whose = {tokens._LIST: ann.participation_id, **of_owner}.get(statement, ann.project_id)
        parameters = (whose, invites.LISTED_MAX)[: statement.count("%s")]
        ((explained,),) = await connection.fetch(f"explain (analyze, format json) {statement}", parameters)
    assert _passed_over(explained[0]["Plan"]) < TAKEN_BACK / 10


def _passed_over(plan: dict[str, Any]) -> int:
    own = plan.get("Rows Removed by Filter", 0) * plan["Actual Loops"]
    return int(own) + sum(_passed_over(each) for each in plan.get("Plans", ()))
