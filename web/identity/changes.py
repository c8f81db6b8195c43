"""That something of an owner's was changed which no ledger tells: who takes part, tokens, invites, settings.

Open pages listen (`web.admin.live`). What was changed is in the audit trail, whose trigger tells every server, this one
included.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Noticed:
    """Whether something was changed since this was last asked; a wait can be interrupted by it."""

    def __init__(self) -> None:
        self._is_noted = False
        self._waiting: trio.CancelScope | None = None

    def note(self) -> None:
        """Something was changed."""
        self._is_noted = True
        if self._waiting is not None:
            self._waiting.cancel()

    def take(self) -> bool:
        """Whether something was changed since the last time."""
        noted, self._is_noted = self._is_noted, False
        return noted

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Leave the block as soon as something is changed, or at its first wait if something was."""
        with trio.CancelScope() as self._waiting:
            if self._is_noted:
                self._waiting.cancel()
            yield
        self._waiting = None


class Changes:
    """Tells who listens of an owner's changes."""

    def __init__(self) -> None:
        self._listening: dict[int, set[Noticed]] = {}

    @contextmanager
    def listening(self, owner_id: int) -> Iterator[Noticed]:
        """Notice what is changed of this owner's while the block runs."""
        noticed = Noticed()
        self._listening.setdefault(owner_id, set()).add(noticed)
        try:
            yield noticed
        finally:
            self._listening[owner_id].discard(noticed)
            if not self._listening[owner_id]:
                del self._listening[owner_id]

    def tell(self, owner_id: int | None) -> None:
        """Something of this owner's was changed; of anybody's, when it is None."""
        owners = list(self._listening) if owner_id is None else [owner_id]
        for each in owners:
            for noticed in self._listening.get(each, ()):
                noticed.note()
