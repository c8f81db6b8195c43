"""How much one owner may have at most; `store.people.quotas` counts. Settings need it, and nothing else of `store`."""

from msgspec import Struct


class Quotas(Struct, frozen=True, kw_only=True):
    """The bounds for each owner; 0 is none."""

    projects: int = 100
    participants: int = 1_000
    tokens: int = 5_000
    invites: int = 1_000
