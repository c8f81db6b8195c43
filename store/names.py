"""Names that people choose: emails, handles, slugs and labels, and which of them can be one.

Pure functions over text; whether a name is taken is the database's to say.
"""

import re
from collections.abc import Iterator
from itertools import count

from store.errors import InvalidName

HANDLE_LENGTH_MIN = 2
HANDLE_LENGTH_MAX = 32
LABEL_LENGTH_MAX = 64
EMAIL_LENGTH_MAX = 254
"""RFC 5321 §4.5.3.1.3, less the two angle brackets."""

HANDLE_OF_NOBODY = "owner"
"""For an email whose local part has no letter or digit that a handle could have."""

TEMPORARY_DOMAIN = "llm-bus.invalid"
"""The domain in the email of an owner whom this program makes for itself and removes again (RFC 2606 §2)."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_NOT_IN_A_HANDLE = re.compile(r"[^a-z0-9]+")


def checked_email(email: str) -> str:
    """The email without spaces around it; raises `InvalidName` when it cannot be one."""
    email = email.strip()
    local, at, domain = email.rpartition("@")
    if not (local and at and domain) or len(email) > EMAIL_LENGTH_MAX or any(map(str.isspace, email)):
        raise InvalidName(f"'{email}' is not an email address.")
    return email


def checked_label(label: str) -> str:
    """The participant's label without spaces around it; raises `InvalidName` when it cannot be one."""
    label = label.strip()
    if not 1 <= len(label) <= LABEL_LENGTH_MAX or "/" in label or not label.isprintable():
        raise InvalidName(f"a participant's name has 1 to {LABEL_LENGTH_MAX} printable characters and no '/'.")
    return label


def checked_slug(slug: str) -> str:
    """The project's slug; raises `InvalidName` when it cannot be one."""
    if not _SLUG.fullmatch(slug):
        raise InvalidName(
            f"'{slug}' cannot be a project: use 1 to 64 lower-case letters, digits, '.', '_' and '-', "
            "beginning and ending with a letter or digit."
        )
    return slug


def handles_for(email: str) -> Iterator[str]:
    """The handles to try for an email's owner, best first, without end: `ann`, `ann-2`, `ann-3`.

    A single character is too short for a handle and is numbered from the first: `a-1`, `a-2`.
    """
    local = email.rpartition("@")[0].lower()
    base = _NOT_IN_A_HANDLE.sub("-", local)[:HANDLE_LENGTH_MAX].strip("-") or HANDLE_OF_NOBODY
    yield base if len(base) >= HANDLE_LENGTH_MIN else f"{base}-1"
    for number in count(2):
        suffix = f"-{number}"
        yield base[: HANDLE_LENGTH_MAX - len(suffix)].rstrip("-") + suffix
