"""What stands in a conninfo. Its password must not become an argument: every user of a machine can read those."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SECRETS = {"password", "sslpassword"}


def is_conninfo(text: str) -> bool:
    """Whether it can be read as a `postgresql://` URL or as key=value pairs."""
    try:
        conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        return False
    return True


def holds_password(conninfo: str) -> bool:
    """Whether there is a secret in a conninfo; False for what is none."""
    return is_conninfo(conninfo) and not _SECRETS.isdisjoint(conninfo_to_dict(conninfo))


def for_a_program(conninfo: str) -> tuple[str, dict[str, str]]:
    """A conninfo that may be an argument of PostgreSQL's own programs, and the environment with its password."""
    parts = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), {} if password is None else {"PGPASSWORD": str(password)}
