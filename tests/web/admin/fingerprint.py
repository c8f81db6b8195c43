"""What a database holds, as one value to compare: whoever was refused must have changed nothing of it."""

import psycopg
from psycopg import sql

WRITTEN_BEHIND = {"liveness", "snapshots"}
"""Tables that actors write when they find the time: what they hold follows from the ledger and from earlier calls."""

LAST_SEEN = {"last_seen_at", "last_used_at"}
"""Columns that any request of a session, or an earlier call, may move: a refused one too."""


def fingerprint(conninfo: str) -> dict[str, str]:
    """A hash of every row, by table."""
    with psycopg.connect(conninfo, autocommit=True) as session:
        columns = session.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'public' order by 1, 2"
        ).fetchall()
        tables: dict[str, list[str]] = {}
        for table, column in columns:
            if table not in WRITTEN_BEHIND and column not in LAST_SEEN:
                tables.setdefault(table, []).append(column)
        return {table: _hash(session, table, names) for table, names in tables.items()}


def _hash(session: psycopg.Connection, table: str, columns: list[str]) -> str:
    row = sql.SQL("row({})::text").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
    query = sql.SQL("select coalesce(md5(string_agg({row}, ';' order by {row})), '') from {table}")
    found = session.execute(query.format(row=row, table=sql.Identifier(table))).fetchone()
    assert found is not None
    return str(found[0])
