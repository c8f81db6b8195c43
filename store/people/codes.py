"""Random codes (tokens, links, invites, sessions); the database keeps only their SHA-256."""

import secrets
from hashlib import sha256

CODE_BYTES = 32


def new_code() -> str:
    """A random code, safe in URLs, cookies and commands, which would take a hyphen at its beginning for an option."""
    while True:
        code = secrets.token_urlsafe(CODE_BYTES)
        if not code.startswith("-"):
            return code


def digest(code: str) -> bytes:
    """SHA-256 of `code`. Accepts any string and never raises."""
    return sha256(code.encode(errors="replace")).digest()
