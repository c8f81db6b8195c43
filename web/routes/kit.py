"""`GET /kit/…`: the server hands out its own adherence kit, so that a repository needs one `curl … | sh`.

Public and the same for everybody, made once when the server starts, cacheable: the program `kit.pyz`, the script
`install.sh` that fetches and checks it, the checksums of both, and the rules as they are pasted into instruction files.
"""

import hashlib

from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from kit.bundle import installer, program
from kit.rules import repository_rules
from web.onboarding import texts

FRESH_SECONDS = 300


def handing_out_kit(public_url: str) -> Blueprint:
    """The routes."""
    routes = Blueprint("kit", __name__)
    handed_out = _contents(public_url)

    @routes.get("/kit/<path:name>")
    async def hand_out(name: str) -> Response:
        if name not in handed_out:
            raise NotFound
        kind = "application/zip" if name.endswith(".pyz") else "text/plain; charset=utf-8"
        response = Response(handed_out[name], content_type=kind)
        response.cache_control.public = True
        response.cache_control.max_age = FRESH_SECONDS
        await response.add_etag()
        return await response.make_conditional(request)

    return routes


def _contents(public_url: str) -> dict[str, bytes]:
    sum_of_program = hashlib.sha256(program()).hexdigest()
    return {
        "kit.pyz": program(),
        "kit.pyz.sha256": f"{sum_of_program}  kit.pyz\n".encode(),
        "install.sh": installer(public_url).encode(),
        "install.sh.sha256": f"{texts.kit_checksum(public_url)}\n".encode(),
        "member.md": repository_rules(lead=False).encode(),
        "lead.md": repository_rules(lead=True).encode(),
    }
