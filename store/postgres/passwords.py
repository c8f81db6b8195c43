"""Passwords in conninfos, which must not become arguments: every user of a machine can read those of all processes."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SECRETS = {"password", "sslpassword"}


def holds_password(conninfo: str) -> bool:
    """Whether there is a secret in a conninfo; False for what is none."""
    try:
        return not _SECRETS.isdisjoint(conninfo_to_dict(conninfo))
    except psycopg.ProgrammingError:
        return False


def for_a_program(conninfo: str) -> tuple[str, dict[str, str]]:
    """A conninfo that may be an argument of PostgreSQL's own programs, and the environment with its password."""
    parts = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), {} if password is None else {"PGPASSWORD": str(password)}
