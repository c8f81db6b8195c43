"""Random codes that open something for whoever holds them: made here, and known to the database only as SHA-256."""

import secrets
from hashlib import sha256

CODE_BYTES = 32


def new_code() -> str:
    """A code that nobody can guess, safe in URLs and cookies."""
    return secrets.token_urlsafe(CODE_BYTES)


def digest(code: str) -> bytes:
    """What is stored of a code; whatever strangers send in its place has one too."""
    return sha256(code.encode(errors="replace")).digest()
