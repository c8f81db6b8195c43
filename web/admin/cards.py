"""The hand-out card: a new token, invite or webhook's secret, and how to use it, at an address that can be reloaded.

A card is kept for ten minutes, sealed with a key made of the secret id in the cookie of the session that made it
(A256GCM): neither the database nor another session opens it. The words on it come from `web.onboarding`, as they do for
the tools and the command line.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Struct
from quart import Blueprint, abort, render_template, request
from quart.wrappers import Response

from store.ledger.projects import ProjectRow
from store.ledger.webhooks import Shape
from store.people import cards, tokens
from store.people.grants import Provisioned
from web.admin import cookies
from web.admin.context import AdminContext
from web.admin.finding import found
from web.admin.visitor import PREFIX, see_other
from web.onboarding import texts
from web.onboarding.clients import CLIENTS, setup_for

_ENCRYPTION = {"alg": "dir", "enc": "A256GCM"}


class TokenCard(Struct, frozen=True, kw_only=True, tag="token"):
    """A new token; `replaces`: older ones stopped working for this one.

    `project_id` is that of the reader's own project; None when the project is somebody else's.
    """

    project_id: int | None
    project_name: str
    participant: str
    token: str
    replaces: bool = False


class InviteCard(Struct, frozen=True, kw_only=True, tag="invite"):
    """A new invite to the reader's project: for anybody with the code, or for one email."""

    project_id: int
    project_name: str
    code: str
    uses: int
    expires_at: datetime
    participant: str | None = None
    email: str | None = None


class WebhookCard(Struct, frozen=True, kw_only=True, tag="webhook"):
    """The new secret of the webhook of the reader's project."""

    project_id: int
    project_name: str
    secret: str
    shape: Shape


Card = TokenCard | InviteCard | WebhookCard

_CARDS = msgspec.json.Decoder(Card)


def card_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("cards", __name__)

    @pages.get("/cards/<int:card_id>")
    async def card(card_id: int) -> str:
        session_id = _session_id(context)
        sealed = found(await context.store.read(cards.find, session_id, card_id))
        return await show(context, opened(session_id, sealed) or abort(404), request.args.get("client", ""))

    return pages


async def hand_out(context: AdminContext, card: Card) -> Response:
    """Keep a card for the current session, and redirect to it. Cards are never logged."""
    session_id = _session_id(context)
    card_id = await context.store.write(cards.keep, session_id, seal(session_id, card))
    return see_other(f"{PREFIX}/cards/{card_id}")


def token_card(project: ProjectRow, provisioned: Provisioned) -> TokenCard:
    """The card of a token just made in the reader's own project."""
    return TokenCard(
        project_id=project.id,
        project_name=project.name,
        participant=provisioned.participant,
        token=provisioned.token,
        replaces=bool(provisioned.revoked_hashes),
    )


async def show(context: AdminContext, card: Card, client: str = "") -> str:
    """The page of a card; `client` says for which of them the setup is shown."""
    url = context.services.public_url
    if isinstance(card, InviteCard):
        return await render_template("invite_made.html", place="projects", card=card, **_invite_words(url, card))
    if isinstance(card, WebhookCard):
        return await render_template("webhook_made.html", place="projects", card=card)
    chosen = client if client in CLIENTS else CLIENTS[0]
    return await render_template(
        "handout.html",
        place="projects",
        card=card,
        connect_command=texts.connect_command(url, card.token),
        environment=texts.environment(card.token),
        prompt=texts.handout_prompt(url, card.token, card.project_name),
        clients=[(name, setup_for(name, url).name) for name in CLIENTS],
        chosen=chosen,
        setup=setup_for(chosen, url),
        used_at=await context.store.read(tokens.last_used, card.token),
    )


def seal(session_id: str, card: Card) -> str:
    """Encrypt the card so that only the session with this secret id can read it."""
    return jwe.encrypt_compact(_ENCRYPTION, msgspec.json.encode(card), _key(session_id))


def opened(session_id: str, sealed: str) -> Card | None:
    """The inverse of `seal`; None with another session's id."""
    try:
        plain = jwe.decrypt_compact(sealed, _key(session_id), algorithms=list(_ENCRYPTION.values())).plaintext
    except (JoseError, ValueError):
        return None
    card: Card = _CARDS.decode(plain or b"")
    return card


def _key(session_id: str) -> OctKey:
    return OctKey.import_key(sha256(b"card " + session_id.encode(errors="replace")).digest())


def _session_id(context: AdminContext) -> str:
    return context.cookies.get(cookies.SESSION) or abort(403)


def _invite_words(url: str, card: InviteCard) -> dict[str, Any]:
    if card.email is not None:
        return {"accept_url": f"{url}{PREFIX}/accept?token={card.code}"}
    prompt = texts.invite_prompt(url, card.code, card.expires_at, card.participant)
    return {"redeem_url": texts.redeem_url(url), "prompt": prompt}
