"""The owner in person, as a caller in a project of their own."""

from typing import Protocol

from engine.identity import OWNER, Principal


class OwnProject(Protocol):
    """An owner's project, as far as it matters here."""

    @property
    def id(self) -> int:
        """The project's id."""
        ...

    @property
    def slug(self) -> str:
        """Its name in addresses and tools."""
        ...

    @property
    def liveness_window_seconds(self) -> int:
        """How long after a call somebody counts as active."""
        ...

    @property
    def stale_after_seconds(self) -> int:
        """How long after a call somebody's tasks may be taken over."""
        ...


def in_person(project: OwnProject, handle: str) -> Principal:
    """The project's owner, who has this handle, as a caller."""
    return Principal(
        id=OWNER,
        project_id=project.id,
        handle=handle,
        label=None,
        project=project.slug,
        is_admin=True,
        liveness_window_seconds=project.liveness_window_seconds,
        stale_after_seconds=project.stale_after_seconds,
    )
