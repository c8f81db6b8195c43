"""The one file that is handed out: this package as an archive that Python runs, `kit.pyz`.

The archive holds the sources as they are, so `unzip -p kit.pyz kit/hook.py` shows what will run, and the same sources
give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import pkgutil
import shlex
import zipfile
from functools import lru_cache
from pathlib import Path

_SUFFIXES = (".py", ".md", ".js")
_THEN = (1980, 1, 1, 0, 0, 0)
_ENTRY = "__main__.py"


@lru_cache(maxsize=1)
def program() -> bytes:
    """The archive. When this module itself runs from one, that one."""
    here = Path(__file__)
    archive = here.parents[1]
    if archive.is_file():
        return archive.read_bytes()
    return _packed(here.parent)


def text(name: str) -> str:
    """A file of this package, wherever it runs from."""
    return (pkgutil.get_data("kit", name) or b"").decode("utf-8")


def installer(server: str) -> str:
    """The script `install.sh` of a server, which fetches the archive from there and checks that it is this one."""
    script = text("install.sh").replace("@SHA256@", hashlib.sha256(program()).hexdigest())
    return script.replace("@SERVER@", shlex.quote(server))


def _packed(package: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*")):
            name = path.relative_to(package.parent).as_posix()
            if path.suffix in _SUFFIXES and "__pycache__" not in name:
                _add(archive, _ENTRY if path.name == _ENTRY else name, path.read_bytes())
    return packed.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _THEN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
