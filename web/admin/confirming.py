"""Confirmation pages for what cannot be undone. Each names what it is about, on any screen.

The page's form sends the change; nothing is changed before. It needs no script.
"""

from msgspec import Struct
from quart import render_template


class Question(Struct, frozen=True, kw_only=True):
    """The question, and what its button does.

    `title` names what it is about. `names` are listed below the `sentences`; `fields` go along with the form.
    """

    title: str
    sentences: tuple[str, ...]
    button: str
    action: str
    back: str
    names: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()


async def ask(question: Question, **page: object) -> str:
    """The page that asks."""
    return await render_template("confirm.html", question=question, **page)
