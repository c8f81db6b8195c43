"""The caller, and how names of participants are resolved.

The engine does not authenticate: it gets a `Principal` that the bearer token proved and, where a command names
somebody, the `Addressee` that `resolve` found in the project's `Roster`. Tokens and owners are in `store.people`.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from engine.names import likeness
from engine.nearest import nearest
from engine.refusals import Refusal, invalid, not_found

OWNER = 0
"""The reader id of the project's owner acting in person; participations count from 1."""


class Principal(Struct, frozen=True, kw_only=True):
    """An authenticated caller within one project.

    `id` is the participation's id, or `OWNER`; `actor` is the name the ledger keeps, `handle/label` or the bare handle.
    `former_handles` and `former_labels` are those under which older events of the caller may be. Nobody else has one of
    these labels now; somebody else may have one of these handles, but not in this project.
    """

    id: int
    project_id: int
    handle: str
    label: str | None
    project: str
    is_admin: bool = False
    liveness_window_seconds: int = 900
    stale_after_seconds: int = 1800
    former_handles: tuple[str, ...] = ()
    former_labels: tuple[str, ...] = ()

    @property
    def actor(self) -> str:
        """The caller's name as the ledger writes it."""
        return self.handle if self.label is None else f"{self.handle}/{self.label}"

    @property
    def former_names(self) -> list[str]:
        """The caller's names before it or its owner was renamed, those under the present handle first."""
        if self.label is None:
            return list(self.former_handles)
        return _names((self.handle, *self.former_handles), (self.label, *self.former_labels))[1:]


class Addressee(Struct, frozen=True):
    """Somebody a command names: the reader's id, and the qualified name at this moment and before."""

    id: int
    actor: str
    former_names: tuple[str, ...] = ()


class Roster(Struct, frozen=True, kw_only=True):
    """The members of a project: the owner's handle, and the participation id of every label.

    `former_handles` are the owner's before, and `former_labels` has, by present label, those that a renamed member had
    before; the latest first.
    """

    handle: str
    labels: Mapping[str, int]
    former_handles: tuple[str, ...] = ()
    former_labels: Mapping[str, tuple[str, ...]] = {}

    def member(self, label: str) -> Addressee:
        """The member with exactly this label."""
        labels = (label, *self.former_labels.get(label, ()))
        actor, *former = _names((self.handle, *self.former_handles), labels)
        return Addressee(self.labels[label], actor, tuple(former))


def resolve(name: str, roster: Roster, *, is_fresh: bool = True) -> Addressee | Refusal:
    """Find the participant that `name` means: `label`, `handle/label`, or the bare handle for the owner in person.

    Handles are case-insensitive. A label is exact; failing that, it is the only one that looks the same; failing that,
    it is the former label of exactly one member, as older posts name it. A former handle means the present one, as no
    other owner has members here. An outdated roster (`is_fresh` is False) is not asked for former labels or a bare
    former handle: somebody else may have that label now. `@` before a name is that of a mention. A label equal to the
    handle wins over the owner, who is then reached through the web admin only.
    """
    handle, slash, label = (part.strip() for part in name.rpartition("/"))
    if not label:
        return invalid(f"'{name}' is not a name: use a label, handle/label, or the owner's handle.")
    if slash and likeness(handle) not in {roster.handle.lower(), *roster.former_handles}:
        return not_found(f"no owner '{handle}' in this project; its owner is '{roster.handle}'.")
    if label in roster.labels:
        return roster.member(label)
    owner = Addressee(OWNER, roster.handle, roster.former_handles)
    if not slash and likeness(label) == roster.handle.lower():
        return owner
    alike = [known for known in roster.labels if likeness(known) == likeness(label)]
    before = roster.former_labels.items() if is_fresh else ()
    meant = alike or [known for known, former in before if label in former]
    if len(meant) == 1:
        return roster.member(meant[0])
    if not (slash or meant) and is_fresh and likeness(label) in roster.former_handles:
        return owner
    return no_participant(label, roster.labels)


def _names(handles: Sequence[str], labels: Sequence[str]) -> list[str]:
    return [f"{handle}/{label}" for handle in handles for label in labels]


def no_participant(label: str, known: Iterable[str]) -> Refusal:
    """The refusal of a label that is none of a project's, with the near one if there is one."""
    close = nearest(label, known)
    meant = "" if close is None else f"perhaps you mean '{close}'; "
    return not_found(f"no participant '{label}' in this project; {meant}list_participants shows who there is.")
