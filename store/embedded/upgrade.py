"""The embedded database from one major version of PostgreSQL to the next, with the old one kept.

The new cluster is made and filled beside the old one, from a verified backup, and takes its place by two renames. Until
then nothing of the old one has changed; afterwards it lies in `postgres-<major>`.
"""

import shutil
from pathlib import Path

import trio
from msgspec import Struct

from store.embedded.cluster import CLUSTER, cluster_major, is_used
from store.embedded.programs import MAJOR, installed_binaries
from store.embedded.running import embedded_postgres
from store.errors import EmbeddedUnavailable
from store.transfer.backup import back_up, put_back

_NEW = "upgrading"


class Upgraded(Struct, frozen=True, kw_only=True):
    """The result of an upgrade; `kept` is the old cluster."""

    before: int
    after: int
    events: int
    kept: Path


async def upgrade(data_dir: Path) -> Upgraded | None:
    """Bring the cluster in `data_dir` to this version's PostgreSQL; None when it has it already.

    Raises `EmbeddedUnavailable` when there is none, it is in use, or its version is unknown; then nothing has changed.
    """
    if (done := _finish(data_dir)) is not None:
        return done
    before = cluster_major(data_dir)
    if before is None:
        raise EmbeddedUnavailable(f"there is no database in {data_dir}.")
    if before == MAJOR:
        return None
    old = installed_binaries(before)
    if is_used(data_dir):
        raise EmbeddedUnavailable(f"the database in {data_dir} is in use: stop llm-bus first.")
    backup, new = data_dir / "upgrade.dump", data_dir / _NEW
    await trio.to_thread.run_sync(lambda: shutil.rmtree(new, ignore_errors=True))
    try:
        async with embedded_postgres(data_dir, binaries=old) as conninfo:
            events = (await back_up(conninfo, backup)).events
        async with embedded_postgres(new, provisional=True) as conninfo:
            await put_back(conninfo, backup)
        (new / "complete").write_text(str(events))
    finally:
        backup.unlink(missing_ok=True)  # it would keep the disk full that made this fail
    return _finish(data_dir)


def _finish(data_dir: Path) -> Upgraded | None:
    """Put a new cluster that is complete into the place of the old one, also where a crash came between the renames."""
    new, current = data_dir / _NEW, data_dir / CLUSTER
    if not (new / "complete").exists():
        return None
    events = int((new / "complete").read_text())
    before = cluster_major(data_dir)
    if before is not None:
        current.rename(data_dir / f"{CLUSTER}-{before}")
    (new / CLUSTER).rename(current)
    shutil.rmtree(new)
    [kept, *_] = sorted(data_dir.glob(f"{CLUSTER}-[0-9]*"), reverse=True)
    return Upgraded(before=int(kept.name.rpartition("-")[2]), after=MAJOR, events=events, kept=kept)
