"""Pages for refused requests: what is wrong in a few words, and what to do."""

from quart import render_template
from werkzeug.exceptions import HTTPException

Page = tuple[str, int]

REFUSALS: dict[int, tuple[str, str]] = {
    400: ("This request was not understood", "Go back, reload the page and try again."),
    403: (
        "This was not accepted",
        "The page may be older than your sign-in. Nothing was changed. Go back, reload it and try again.",
    ),
    404: ("Page not found", "It does not exist, or it is not yours."),
    405: ("This cannot be done here", "Go back and use the buttons of the page."),
    408: ("This took too long", "Your request did not arrive in time. Try again."),
    413: ("This is too large", "The form is larger than this server accepts."),
    429: ("Too many attempts", "Wait five minutes, then try again."),
    503: (
        "This is not possible now",
        "The database does not answer, or the server is overloaded. Try again soon.",
    ),
}
_BUG = (
    "Something went wrong",
    "The error was logged. Try again; if it happens again, tell the operator of this server.",
)


async def refusal_page(status: int, title: str, sentence: str, *, again: str | None = None) -> Page:
    """A page with this status that says why not; `again`: the address to try once more."""
    return await render_template("refusal.html", title=title, sentence=sentence, again=again), status


async def explained(error: HTTPException) -> Page:
    """The page for an HTTP error."""
    status = error.code or 500
    return await refusal_page(status, *REFUSALS.get(status, REFUSALS[400] if status < 500 else _BUG))
