"""How Sphinx makes the static site of these pages: `make docs`. Needs no network, and neither does what it makes.

The pages are plain Markdown that also reads well where the repository is hosted. What is at the repository's root
(SECURITY.md and others) becomes a page here too, and links to it are led there.
"""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

_ROOT = Path(__file__).parents[1]

project = "LLM Bus"
author = "the authors of LLM Bus"
version = release = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = ["myst_parser"]
exclude_patterns = ["deploy"]
nitpicky = True

myst_heading_anchors = 4  # the anchors that hosts of repositories give, so one link is right in both places
myst_enable_extensions = ["fieldlist"]

html_theme = "furo"
html_title = "LLM Bus"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_theme_options = {"sidebar_hide_name": False, "top_of_page_buttons": []}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

_PAGE_OF = {
    "README.md": "index",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "SECURITY.md": "security",
}
_FILE_OF = {page: name for name, page in _PAGE_OF.items() if page != "index"}
_UP_TO_THE_ROOT = re.compile(rf"\]\((?:\.\./)+({'|'.join(map(re.escape, _PAGE_OF))})(?=[)#])")
_FROM_THE_ROOT = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


def _read(_: Sphinx, docname: str, source: list[str]) -> None:
    """Bring in the pages that are at the repository's root, and lead links there to the pages of the site."""
    if docname in _FILE_OF:
        text = (_ROOT / _FILE_OF[docname]).read_text("utf-8")
        source[0] = _FROM_THE_ROOT.sub(lambda link: f"]({_on_the_site(link[1])}", text)
    else:
        source[0] = _UP_TO_THE_ROOT.sub(lambda link: f"]({_on_the_site(link[1])}", source[0])


def _on_the_site(path: str) -> str:
    """Where a path below the repository's root is, from the root of the site's sources."""
    if path in _PAGE_OF:
        return f"/{_PAGE_OF[path]}.md"
    return f"/{path.removeprefix('docs/')}" if path.startswith("docs/") else f"/../{path}"


def setup(app: Sphinx) -> None:
    """What Sphinx calls when it has read this."""
    app.connect("source-read", _read)
