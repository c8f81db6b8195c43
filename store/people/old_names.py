"""Names that earlier versions took and this one would not: they keep working, and the doctor tells of them."""

from collections.abc import Callable, Iterator
from itertools import groupby

from engine.names import likeness
from store.errors import InvalidName
from store.people.names import checked_label, checked_lane
from store.postgres.connection import Connection

_LABELS = "select o.handle, a.label from participants a join owners o on o.id = a.owner_id"

_LANES = """
select o.handle, j.slug, a.label, p.lane
  from participations p
  join participants a on a.id = p.participant_id
  join projects j on j.id = p.project_id
  join owners o on o.id = j.owner_id
 where p.lane is not null
 order by o.handle, j.slug, a.label
"""


async def doubtful(conninfo: str) -> list[str]:
    """One sentence for each; changes nothing."""
    connection = await Connection.open(conninfo)
    try:
        labels = await connection.fetch(_LABELS)
        lanes = await connection.fetch(_LANES)
    finally:
        connection.close()
    return [*_alike(labels), *_outdated_labels(labels), *_outdated_lanes(lanes)]


def _alike(labels: list[tuple[str, str]]) -> Iterator[str]:
    ordered = sorted((handle, likeness(label), label) for handle, label in labels)
    for (handle, _), group in groupby(ordered, key=lambda row: row[:2]):
        alike = [label for *_, label in group]
        if len(alike) > 1:
            yield f"{handle} has participants that look the same: {', '.join(map(ascii, alike))}."


def _outdated_labels(labels: list[tuple[str, str]]) -> Iterator[str]:
    for handle, label in sorted(labels):
        if not _is_kept(label, checked_label):
            yield f"{handle} has a participant {label!a}, a name that would not be taken today."


def _outdated_lanes(lanes: list[tuple[str, str, str, str]]) -> Iterator[str]:
    for handle, slug, label, lane in lanes:
        if not _is_kept(lane, checked_lane):
            who = f"{handle}/{label}"
            yield f"{who!a} has the lane {lane!a} in {slug}, which would be spelled differently today."


def _is_kept(name: str, check: Callable[[str], str | None]) -> bool:
    try:
        return check(name) == name
    except InvalidName:
        return False
