"""The cookies of the web admin: their names, and the attributes that all of them have.

None can be read by script or sent along with another site's forms. Over HTTPS their names say that this very host set
them (`__Host-`, RFC 6265bis §4.1.3.2), so that no neighbour under the same domain can plant one.
"""

from quart import request
from quart.wrappers import Response

SESSION = "llm-bus"
ATTEMPT = "llm-bus-attempt"
"""Binds a sign-in that is at its provider to the browser that began it."""

GUEST = "llm-bus-guest"
"""The verified email of a visitor without an account; see `web.admin.guests`."""


class Cookies:
    """Reads and writes the cookies of a server that clients reach at `public_url`."""

    def __init__(self, public_url: str) -> None:
        self._secure = public_url.startswith("https:")
        self._prefix = "__Host-" if self._secure else ""

    def get(self, name: str) -> str | None:
        """The cookie's value in the present request; None when absent or empty."""
        return request.cookies.get(self._prefix + name) or None

    def put(self, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        """Have the browser keep a value, until it is closed or for so many `seconds`."""
        response.set_cookie(
            self._prefix + name,
            value,
            max_age=seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="Lax",  # not Strict: the way back from a provider and a link in a mail begin on other sites
        )

    def drop(self, response: Response, name: str) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self._prefix + name, path="/", secure=self._secure, httponly=True, samesite="Lax")
