"""Names in an old ledger, each as a reader of ours.

The TypeScript server forgot the id of a participant who was deleted and kept the name. Here the ledger keeps both, so
such a name gets an id of its own again, one that no participation has or will have.
"""

from collections.abc import Iterator, Mapping

from engine.identity import OWNER, Addressee


class Names:
    """The names of one project.

    `labels` has the participation of every label, old or `mended`; `nobody` gives ids that are nobody's.
    """

    def __init__(
        self, handle: str, labels: Mapping[str, int], mended: Mapping[int, str], nobody: Iterator[int]
    ) -> None:
        self.handle = handle
        self._labels = labels
        self._mended = mended
        self._nobody = nobody
        self._gone: dict[str, int] = {}

    def reader(self, participation_id: int | None, actor: str) -> int:
        """The reader who wrote as `actor`: a participation, the owner in person, or somebody who is gone."""
        if participation_id is not None:
            return participation_id
        if actor.lower() == self.handle.lower():
            return OWNER
        if actor not in self._gone:
            self._gone[actor] = next(self._nobody)
        return self._gone[actor]

    def member(self, participation_id: int) -> str:
        """How a participation is called now."""
        return f"{self.handle}/{self._mended.get(participation_id, participation_id)}"

    def qualified(self, name: str) -> str:
        """`handle/label` for a bare label of the project; every other name as it is."""
        return name if name not in self._labels else self.member(self._labels[name])

    def addressee(self, name: str | None, participation_id: int | None) -> Addressee | None:
        """The reader something was for; None when it was for nobody in particular."""
        if name is None:
            if participation_id is None:
                return None
            name = self.member(participation_id)
        if participation_id is None:
            handle, _, label = name.rpartition("/")
            participation_id = self._labels.get(label) if handle.lower() in {"", self.handle.lower()} else None
        actor = self.qualified(name)
        return Addressee(self.reader(participation_id, actor), actor)
