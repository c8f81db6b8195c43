"""The hand-out card: a new token and all it takes to connect with it, shown once and stored nowhere.

The words come from `web.onboarding.texts`, as they do for the tools and the command line.
"""

import msgspec
from msgspec import Struct
from quart import render_template

from store.ledger.projects import ProjectRow
from store.people.grants import Provisioned
from web.onboarding import texts


class Card(Struct, frozen=True, kw_only=True):
    """What a card says; `replaces`: older tokens stopped working for this one.

    `project_id` is that of the reader's own project; None when the project is somebody else's.
    """

    project_id: int | None
    project_name: str
    participant: str
    replaces: bool
    token: str
    connect_command: str
    mcp_json: str
    environment: str
    prompt: str


async def hand_out(public_url: str, project: ProjectRow, provisioned: Provisioned) -> str:
    """The page with the card of a token just made; never log it."""
    card = made_card(
        public_url,
        project_id=project.id,
        project_name=project.name,
        participant=provisioned.participant,
        token=provisioned.token,
        replaces=bool(provisioned.revoked_hashes),
    )
    return await render_template("handout.html", place="projects", card=card)


def made_card(
    public_url: str, *, project_id: int | None, project_name: str, participant: str, token: str, replaces: bool = False
) -> Card:
    """All that is handed over with a token, for the project at `public_url`."""
    mcp_json = msgspec.json.encode(texts.mcp_json(public_url))
    return Card(
        project_id=project_id,
        project_name=project_name,
        participant=participant,
        replaces=replaces,
        token=token,
        connect_command=texts.connect_command(public_url, token),
        mcp_json=msgspec.json.format(mcp_json, indent=2).decode(),
        environment=texts.environment(token),
        prompt=texts.handout_prompt(public_url, token, project_name),
    )
