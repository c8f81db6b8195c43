"""Keeps what was typed when a form cannot be accepted: the session ended, the page is too old, the database is silent.

The page shows every field again and sends the form once more on request. It sends nothing by itself: a form with a
wrong token may come from another site, so the owner sees what it would do before pressing the button.
"""

from quart import render_template, request
from werkzeug.exceptions import RequestEntityTooLarge

from web.admin import cookies
from web.admin.refusals import REFUSALS, Page, refusal_page

FIELDS_MAX = 50
"""More than any form has."""

HOME = "/admin/"

UNSEEN = frozenset({"csrf", "token"})
"""Never shown: secrets, and what is made for each page."""


async def kept_page(status: int, title: str, sentence: str, *, button: str, sign_in_at: str | None = None) -> Page:
    """A page that says why the present form was not taken, with what it held."""
    page = await render_template(
        "kept.html",
        title=title,
        sentence=sentence,
        typed=await typed(),
        action=request.path,
        button_label=button,
        sign_in_at=sign_in_at,
    )
    return page, status


async def silent_page() -> Page:
    """The page for when the database does not answer. The session's cookie and what was typed are kept."""
    if not any(name.endswith(cookies.SESSION) for name in request.cookies):
        return await refusal_page(503, *REFUSALS[503])
    if request.method == "POST" and await typed():
        return await kept_page(
            503,
            "The database does not answer",
            "You are still signed in. What you sent may or may not have been done: look before you send it again.",
            button="Send again",
        )
    again = request.full_path.rstrip("?") if request.method == "GET" else HOME
    sentence = "You are still signed in. The database does not answer, or there is too much to do. Try again soon."
    return await refusal_page(503, "This is not possible now", sentence, again=again)


async def typed() -> list[tuple[str, str]]:
    """The fields of the present request's form, in order."""
    try:
        fields = (await request.form).items(multi=True)
    except RequestEntityTooLarge:
        return []
    return [(name, text) for name, text in fields if name not in UNSEEN][:FIELDS_MAX]
