"""Random codes (tokens, links, invites, sessions); the database keeps only their SHA-256."""

import secrets
from hashlib import sha256

CODE_BYTES = 32


def new_code() -> str:
    """A random code, safe in URLs and cookies."""
    return secrets.token_urlsafe(CODE_BYTES)


def digest(code: str) -> bytes:
    """SHA-256 of `code`. Accepts any string and never raises."""
    return sha256(code.encode(errors="replace")).digest()
