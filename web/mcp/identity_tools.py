"""The tools about people instead of the project's state: who one is, who there is, tokens and invites.

Their arguments, results and handlers. Who may call them is said in `web.mcp.tools`; the changes are made by
`web.identity.people`.
"""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from actors import Answer
from engine import terms
from engine.identity import OWNER, Principal, no_participant
from engine.nearest import nearest
from engine.refusals import Refusal, not_found
from engine.vocabulary import Reply
from store.people.grants import Kind, Provisioned
from web.http.exchange import Exchange
from web.mcp.sending import touch
from web.onboarding import texts
from web.services import Services

# No slash, because it parts handle from label.
ParticipantName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[^/]+$(?!\n)",
        description="The participant's label.",
        extra={"hint": "be a name without '/'", "name": True},
    ),
]
ParticipantKind = Annotated[Kind, Meta(description="What the participant is; `agent` unless said otherwise.")]
Uses = Annotated[int, Meta(ge=1, le=50, description="How many participants may join with the code.")]
TtlHours = Annotated[int, Meta(ge=1, le=168, description="How long the code works.")]


class Arguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The root of argument structs that are not commands."""


class Nothing(Arguments, frozen=True, kw_only=True):
    """No arguments."""


class Provision(Arguments, frozen=True, kw_only=True):
    """The participant who gets a token."""

    participant_name: ParticipantName
    kind: ParticipantKind | None = None
    lane: terms.Lane | None = None
    is_admin: Annotated[
        bool | None, Meta(description="Whether the participant is a lead. Left out, an existing one keeps what it is.")
    ] = None


class Named(Arguments, frozen=True, kw_only=True):
    """The participant it is about."""

    participant_name: ParticipantName


class CreateInvite(Arguments, frozen=True, kw_only=True):
    """The terms of a code: name, kind, uses and hours."""

    participant_name: Annotated[
        ParticipantName | None,
        Meta(description="Who joins with the code; without it, who joins chooses a name."),
    ] = None
    kind: ParticipantKind | None = None
    lane: terms.Lane | None = None
    is_admin: Annotated[bool, Meta(description="Whether who joins becomes a lead.")] = False
    uses: Uses = 1
    ttl_hours: TtlHours = 24


class OneInvite(Arguments, frozen=True, kw_only=True):
    """Which invite it is about."""

    invite_id: Annotated[terms.Id, Meta(description="The invite, as `list_invites` names it.")]


class Self(Reply, frozen=True, kw_only=True):
    """The caller's identity.

    `former_names` is there only if the caller was renamed: what these names did in the ledger is the caller's, too.
    """

    actor: str
    handle: str
    label: str | None
    project: str
    is_admin: bool
    former_names: list[str] | UnsetType = UNSET


class ParticipantView(Struct, frozen=True, kw_only=True):
    """One participant."""

    name: str
    actor: str
    kind: str
    lane: str | None
    is_admin: bool
    token_active: bool


class Participants(Reply, frozen=True, kw_only=True):
    """Everybody in the project, by name."""

    participants: list[ParticipantView]


class Setup(Struct, frozen=True, kw_only=True):
    """How to connect with a token."""

    note: str
    mcp_url: str
    env: str
    mcp_json: dict[str, Any]


class Credentials(Reply, frozen=True, kw_only=True):
    """A participant and its new token, shown once."""

    project: str
    participant: str
    kind: str
    lane: str | None
    is_admin: bool
    token: str
    setup: Setup


class RevokedTokens(Reply, frozen=True, kw_only=True):
    """How many tokens stopped working. For a participant who is unknown, the near one is told."""

    project: str
    participant: str
    revoked: int
    nearest_participant: str | UnsetType = UNSET


class InviteCode(Reply, frozen=True, kw_only=True):
    """An invite, and what to paste to an agent."""

    code: str
    expires_at: datetime
    redeem_url: str
    invite_prompt: str


class OpenInvite(Struct, frozen=True, kw_only=True):
    """An invite that still lets somebody in; its code was shown once and is not stored."""

    invite_id: int
    participant: str | None
    kind: str
    lane: str | None
    is_admin: bool
    uses_left: int
    expires_at: datetime


class OpenInvites(Reply, frozen=True, kw_only=True):
    """Every open invite, newest first."""

    invites: list[OpenInvite]


class RevokedInvite(Reply, frozen=True, kw_only=True):
    """The invite that lets nobody in any more."""

    invite_id: int


async def whoami(services: Services, exchange: Exchange, caller: Principal, _: Nothing) -> Answer:
    """The identity of the caller's token."""
    me = Self(
        actor=caller.actor,
        handle=caller.handle,
        label=caller.label,
        project=caller.project,
        is_admin=caller.is_admin,
        former_names=caller.former_names or UNSET,
    )
    return Answer(me, await touch(services, caller))


async def list_participants(services: Services, exchange: Exchange, caller: Principal, _: Nothing) -> Answer:
    """Everybody the project has granted a place."""
    unread = await touch(services, caller)
    rows = await services.people.participants(caller.project_id)
    views = [
        ParticipantView(
            name=row.name,
            actor=f"{caller.handle}/{row.name}",
            kind=row.kind,
            lane=row.lane,
            is_admin=row.is_admin,
            token_active=row.token_active,
        )
        for row in rows
    ]
    return Answer(Participants(participants=views), unread)


async def provision(services: Services, exchange: Exchange, caller: Principal, wanted: Provision) -> Answer:
    """A token for a new or an existing participant."""
    unread = await touch(services, caller)
    provisioned = await services.people.provision(
        caller.project_id,
        wanted.participant_name,
        kind=wanted.kind,
        lane=wanted.lane,
        is_admin=wanted.is_admin,
        by=caller.actor,
        lead=exchange.token_hash,
    )
    return Answer(_credentials(services, caller, provisioned), unread)


async def rotate(services: Services, exchange: Exchange, caller: Principal, named: Named) -> Answer | Refusal:
    """A new token in place of the old ones."""
    unread = await touch(services, caller)
    rotated = await services.people.rotate(
        caller.project_id, named.participant_name, by=caller.actor, lead=exchange.token_hash
    )
    if rotated is None:
        return no_participant(named.participant_name, await _labels(services, caller))
    return Answer(_credentials(services, caller, rotated), unread)


async def revoke(services: Services, exchange: Exchange, caller: Principal, named: Named) -> Answer:
    """An end to all tokens of a participant."""
    unread = await touch(services, caller)
    count = await services.people.revoke(
        caller.project_id, named.participant_name, by=caller.actor, lead=exchange.token_hash
    )
    labels = [] if count else await _labels(services, caller)
    close = None if named.participant_name in labels else nearest(named.participant_name, labels)
    revoked = RevokedTokens(
        project=caller.project,
        participant=named.participant_name,
        revoked=count,
        nearest_participant=close or UNSET,
    )
    return Answer(revoked, unread)


async def _labels(services: Services, caller: Principal) -> list[str]:
    return [row.name for row in await services.people.participants(caller.project_id)]


async def create_invite(services: Services, exchange: Exchange, caller: Principal, wanted: CreateInvite) -> Answer:
    """A code with which others join by themselves."""
    unread = await touch(services, caller)
    invite = await services.people.invite(
        caller.project_id,
        wanted.participant_name,
        kind=wanted.kind,
        lane=wanted.lane,
        is_admin=wanted.is_admin,
        uses=wanted.uses,
        ttl_hours=wanted.ttl_hours,
        by=caller.actor,
        lead=exchange.token_hash,
        made_by=None if caller.id == OWNER else caller.id,
    )
    url = services.public_url
    code = InviteCode(
        code=invite.code,
        expires_at=invite.expires_at,
        redeem_url=texts.redeem_url(url),
        invite_prompt=texts.invite_prompt(url, invite.code, invite.expires_at, wanted.participant_name),
    )
    return Answer(code, unread)


async def list_invites(services: Services, exchange: Exchange, caller: Principal, _: Nothing) -> Answer:
    """The invites that still let somebody in."""
    unread = await touch(services, caller)
    rows = await services.people.open_invites(caller.project_id)
    views = [
        OpenInvite(
            invite_id=row.id,
            participant=row.label,
            kind=row.kind,
            lane=row.lane,
            is_admin=row.is_admin,
            uses_left=row.uses_max - row.uses,
            expires_at=row.expires_at,
        )
        for row in rows
    ]
    return Answer(OpenInvites(invites=views), unread)


async def revoke_invite(services: Services, exchange: Exchange, caller: Principal, one: OneInvite) -> Answer | Refusal:
    """An end to one invite."""
    unread = await touch(services, caller)
    if not await services.people.revoke_invite(
        caller.project_id, one.invite_id, by=caller.actor, lead=exchange.token_hash
    ):
        return not_found(f"no invite {one.invite_id} in this project; list_invites shows the open ones.")
    return Answer(RevokedInvite(invite_id=one.invite_id), unread)


def _credentials(services: Services, caller: Principal, provisioned: Provisioned) -> Credentials:
    url, token = services.public_url, provisioned.token
    setup = Setup(
        note=texts.SETUP_NOTE,
        mcp_url=texts.mcp_url(url),
        env=texts.environment(token),
        mcp_json=texts.mcp_json(url),
    )
    return Credentials(
        project=caller.project,
        participant=provisioned.participant,
        kind=provisioned.kind,
        lane=provisioned.lane,
        is_admin=provisioned.is_admin,
        token=token,
        setup=setup,
    )
