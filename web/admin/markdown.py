"""Posts as HTML: CommonMark without raw HTML, without pictures, and with links to http(s) only.

What others wrote is data: nothing in it becomes an element of ours. Headings are paragraphs in bold, because a page's
headings are its own. A text of little but marks is shown as it was written: rendering it would hold everybody up.
"""

import re
from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from store.ledger.projects import ProjectRow
from web.admin.visitor import PREFIX

_TASK = re.compile(r"task:(\d{1,16})", re.ASCII).fullmatch
"""The ref of posts about a task."""

_SCHEMES = ("http://", "https://")

PIECES_MAX = 600
"""Lines and marks of one text that are rendered: some tenths of a millisecond each on a busy machine."""

_PIECE = re.compile(r"[][*_`<>&\\#!\n]")

REF_PLACE = "{ref}"
"""The placeholder of the ref in a project's URL pattern."""


def pieces(text: str) -> int:
    """How many lines and marks a text has: what rendering it takes."""
    return 1 + sum(1 for _ in _PIECE.finditer(text))


def rendered(text: str) -> Markup:
    """A text as safe HTML."""
    if pieces(text) > PIECES_MAX:
        return Markup("<p>{}</p>\n").format(Markup("<br>\n").join(text.split("\n")))
    return Markup(_MARKDOWN.render(text))  # noqa: S704 - the renderer escapes whatever it does not make itself


def ref_address(project: ProjectRow, ref: str | None) -> str | None:
    """Where a ref leads: to a task of the project, or by the project's pattern; None where neither is."""
    if not ref:
        return None
    if (task := _TASK(ref)) is not None:
        return f"{PREFIX}/projects/{project.id}/tasks/{task[1]}"
    return project.ref_url.replace(REF_PLACE, quote(ref, safe="")) if project.ref_url else None


def _open_heading(self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    return '<p class="heading">'


def _close_heading(self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: Any) -> str:
    return "</p>\n"


def _open_link(
    self: Any, tokens: Sequence[Token], index: int, options: OptionsDict, env: MutableMapping[str, Any]
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    html: str = self.renderToken(tokens, index, options, env)
    return html


def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    markdown.disable("image")
    markdown.validateLink = lambda url: url.lower().startswith(_SCHEMES)  # type: ignore[method-assign]
    markdown.add_render_rule("heading_open", _open_heading)
    markdown.add_render_rule("heading_close", _close_heading)
    markdown.add_render_rule("link_open", _open_link)
    return markdown


_MARKDOWN = _renderer()
