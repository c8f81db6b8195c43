"""What stands in a conninfo. Its password must not become an argument: every user of a machine can read those.

psycopg is imported where a conninfo is read: most commands are given none, and it takes long to load.
"""

from typing import Any

_SECRETS = {"password", "sslpassword"}


def is_conninfo(text: str) -> bool:
    """Whether it can be read as a `postgresql://` URL or as key=value pairs."""
    from psycopg import ProgrammingError  # noqa: PLC0415 - see above

    try:
        _parts(text)
    except ProgrammingError:
        return False
    return True


def holds_password(conninfo: str) -> bool:
    """Whether there is a secret in a conninfo; False for what is none."""
    return is_conninfo(conninfo) and not _SECRETS.isdisjoint(_parts(conninfo))


def for_a_program(conninfo: str) -> tuple[str, dict[str, str]]:
    """A conninfo that may be an argument of PostgreSQL's own programs, and the environment with its password."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - see above

    parts = _parts(conninfo)
    password = parts.pop("password", None)
    return make_conninfo("", **parts), {} if password is None else {"PGPASSWORD": str(password)}


def _parts(conninfo: str) -> dict[str, Any]:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - see above

    return conninfo_to_dict(conninfo)
