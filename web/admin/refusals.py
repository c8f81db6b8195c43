"""The pages that say no: what is wrong in a few words, and the way on."""

from quart import render_template
from werkzeug.exceptions import HTTPException

Page = tuple[str, int]

REFUSALS: dict[int, tuple[str, str]] = {
    400: ("That did not make sense", "Go back, reload the page and try again."),
    403: (
        "This was not accepted",
        "The page may be older than your sign-in. Go back, reload it and try again; nothing was changed.",
    ),
    404: ("Page not found", "It does not exist, or it is not yours."),
    405: ("That cannot be done here", "Go back and use the buttons of the page."),
    408: ("That took too long", "Your request did not arrive in time. Try again."),
    413: ("That is too much", "What was sent is larger than a form here can be."),
    429: ("Too many tries", "Wait five minutes, then try again."),
    503: (
        "This is not possible now",
        "The database does not answer, or there is too much to do. Try again soon.",
    ),
}
_BUG = ("Something broke", "It is not your fault, and it was logged. Try again, and tell whoever runs this server.")


async def refusal_page(status: int, title: str, sentence: str, *, again: str | None = None) -> Page:
    """A page with this status that says why not; `again`: the address to try once more."""
    return await render_template("refusal.html", title=title, sentence=sentence, again=again), status


async def explained(error: HTTPException) -> Page:
    """The page for an HTTP error."""
    status = error.code or 500
    return await refusal_page(status, *REFUSALS.get(status, REFUSALS[400] if status < 500 else _BUG))
