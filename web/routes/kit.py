"""`GET /kit/…`: the server hands out its own adherence kit, so that a repository needs one `curl … | sh`.

Public and the same for everybody: plain text, read once when the server starts, cacheable. `install.sh` is told where
it comes from and what belongs to the kit; the instruction blocks are also there as they are pasted, `member.md` and
`lead.md`.
"""

import shlex
from importlib.resources import files

from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from kit.install import instruction_block

KIT_FILES = (
    "__init__.py",
    "edits.py",
    "git_hook.py",
    "install.py",
    "llm_bus_hook.py",
    "instructions/lead.md",
    "instructions/member.md",
    "wiki/index.md",
    "wiki/log.md",
    "wiki/overview.md",
)
"""What the installer needs, as `install.sh` fetches it."""

FRESH_SECONDS = 300


def handing_out_kit(public_url: str) -> Blueprint:
    """The routes."""
    routes = Blueprint("kit", __name__)
    texts = _texts(public_url)

    @routes.get("/kit/<path:name>")
    async def hand_out(name: str) -> Response:
        if name not in texts:
            raise NotFound
        response = Response(texts[name], content_type="text/plain; charset=utf-8")
        response.cache_control.public = True
        response.cache_control.max_age = FRESH_SECONDS
        await response.add_etag()
        return await response.make_conditional(request)

    return routes


def _texts(public_url: str) -> dict[str, str]:
    texts = {name: files("kit").joinpath(name).read_text(encoding="utf-8") for name in KIT_FILES}
    installer = files("kit").joinpath("install.sh").read_text(encoding="utf-8")
    for mark, value in (("@SERVER@", shlex.quote(public_url)), ("@FILES@", ",".join(KIT_FILES))):
        installer = installer.replace(mark, value)
    blocks = {"member.md": instruction_block(lead=False), "lead.md": instruction_block(lead=True)}
    return {**texts, "install.sh": installer, **blocks}
