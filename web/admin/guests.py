"""Guests: visitors without an account whose email was verified, so that they may accept one invite.

A guest has no session, only a ticket in a cookie. Where a provider verified the email, the ticket says which one and
for which invite, for `TICKET_SECONDS`, signed with a key made of what this server shares with its providers, so that
every process of it can tell. Where a proxy names the visitor on every request, the ticket is a random number and only
the CSRF token hangs on it.
"""

import base64
import secrets
import time
from hashlib import sha256

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jwt import JWTClaimsRegistry

from web.config import Settings

TICKET_SECONDS = 600
_ALGORITHM = "HS256"


def csrf_of(ticket: str | None) -> str | None:
    """The CSRF token of forms sent with this ticket. A site that forges a form cannot read the cookie."""
    if ticket is None:
        return None
    return base64.urlsafe_b64encode(sha256(b"guest csrf " + ticket.encode(errors="replace")).digest()).decode()


def random_ticket() -> str:
    """A random ticket without content."""
    return secrets.token_urlsafe(32)


class Tickets:
    """Signs and reads the tickets that say whose email was verified."""

    def __init__(self, settings: Settings) -> None:
        shared = [client.secret for client in (settings.google, settings.github, settings.oidc) if client is not None]
        # Without a provider nobody verifies emails in advance, and the tickets of nobody are good with any key.
        material = "\0".join(("llm-bus guest", *shared)) if shared else secrets.token_hex()
        self._key = OctKey.import_key(sha256(material.encode()).digest())

    def issue(self, email: str, invite_code: str) -> str:
        """A ticket for this email, valid for this invite only."""
        claims = {"email": email, "aud": _digest(invite_code), "exp": int(time.time()) + TICKET_SECONDS}
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key)

    def email_of(self, ticket: str | None, invite_code: str) -> str | None:
        """The email that a ticket vouches for; None when it is not ours, too old, or for another invite."""
        if ticket is None:
            return None
        wanted = JWTClaimsRegistry(
            aud={"essential": True, "value": _digest(invite_code)}, exp={"essential": True}, email={"essential": True}
        )
        try:
            claims = jwt.decode(ticket, self._key, algorithms=[_ALGORITHM]).claims
            wanted.validate(claims)
        except (JoseError, ValueError):
            return None
        return str(claims["email"])


def _digest(code: str) -> str:
    return sha256(code.encode(errors="replace")).hexdigest()
