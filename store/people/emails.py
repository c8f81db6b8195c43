"""When two email addresses are the same: the one rule for Python and for SQL.

Only the case of ASCII letters is ignored. Anything else must match exactly: Unicode maps other letters onto ASCII ones
(the Kelvin sign lower-cases to `k`), so a wider rule would sign a stranger in as somebody else. In SQL the rule is
`lower(email collate "C")`, for which migration 0004 has the unique index.
"""

import string

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def same_email(one: str | None, other: str) -> bool:
    """Whether these are the same address; None equals no address."""
    return one is not None and lowered(one) == lowered(other)


def lowered(text: str) -> str:
    """An address, or a part of one, in the spelling by which it is compared."""
    return text.translate(_LOWER)
