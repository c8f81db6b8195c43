"""The one file that is handed out: this package as an archive that Python runs, `kit.pyz`.

The archive holds the sources as they are, so `unzip -p kit.pyz kit/hook.py` shows what will run, and the same sources
give the same bytes. What is installed also holds them compiled, because that takes longer than all that a hook does.
An interpreter of another version passes the compiled ones over.
"""

from __future__ import annotations

import hashlib
import io
import marshal
import os
import pkgutil
import shlex
import sys
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import MAGIC_NUMBER
from pathlib import Path

_SUFFIXES = (".py", ".md", ".js")
_THEN = (1980, 1, 1, 0, 0, 0)
_ENTRY = "__main__.py"


@lru_cache(maxsize=1)
def program() -> bytes:
    """The archive. When this module itself runs from one, the sources in that one."""
    here = Path(__file__)
    archive = here.parents[1]
    if archive.is_file():
        with zipfile.ZipFile(archive) as packed:
            return _packed({name: packed.read(name) for name in packed.namelist() if name.endswith(_SUFFIXES)})
    package = here.parent
    paths = [path for path in sorted(package.rglob("*")) if path.suffix in _SUFFIXES]
    named = {path.relative_to(package.parent).as_posix(): path for path in paths if "__pycache__" not in path.parts}
    return _packed({_ENTRY if path.name == _ENTRY else name: path.read_bytes() for name, path in named.items()})


@lru_cache(maxsize=1)
def compiled() -> bytes:
    """The archive as it is installed: the sources, and each compiled for the interpreter that runs this.

    It is the same from every process, so that installing again changes nothing: a text of one character is marked in
    compiled code as interned or not, and without the first line that depends on which modules were imported before.
    """
    for character in map(chr, range(256)):
        sys.intern(character)
    with zipfile.ZipFile(io.BytesIO(program())) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    modules = {name: content for name, content in files.items() if name.endswith(".py")}
    return _packed({**files, **{f"{name}c": _bytecode(name, content) for name, content in modules.items()}})


def _bytecode(name: str, source: bytes) -> bytes:
    """The content of a `.pyc` file that is not compared with its source: the two are in one file."""
    unchecked = (0b01).to_bytes(4, "little")
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    return MAGIC_NUMBER + unchecked + bytes(8) + marshal.dumps(code)


def launcher() -> str:
    """A script that starts the interpreter that runs this, for which `compiled` is; another one where it is gone.

    What `python3` is depends on where it is called, and may be a script that takes longer to find Python than all else.
    """
    found = shlex.quote(os.path.realpath(sys.executable) if sys.executable else "python3")
    return f"""#!/bin/sh
# LLM Bus: the Python with which the kit was installed.
python={found}
[ -x "$python" ] || python=$(command -v python3) || exit 0
exec "$python" "$@"
"""


def text(name: str) -> str:
    """A file of this package, wherever it runs from."""
    return (pkgutil.get_data("kit", name) or b"").decode("utf-8")


def installer(server: str) -> str:
    """The script `install.sh` of a server, which fetches the archive from there and checks that it is this one."""
    script = text("install.sh").replace("@SHA256@", hashlib.sha256(program()).hexdigest())
    return script.replace("@SERVER@", shlex.quote(server))


def _packed(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _THEN)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".pyc") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return packed.getvalue()
