"""The wheel and the source distribution in `dist`, made from what git knows of this checkout.

python -m tests.package.distributions
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.package.environments import ROOT, run

DIST = ROOT / "dist"


def build() -> None:
    """Make both; files that git ignores, such as those of an earlier build, do not get in."""
    with TemporaryDirectory() as directory:
        source = Path(directory)
        files = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        for name in filter(None, files):
            if (ROOT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, source / name)
        run(sys.executable, "-m", "build", "--outdir", DIST, source)


def built() -> tuple[Path, Path]:
    """The wheel and the source distribution."""
    [wheel], [sdist] = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, sdist


if __name__ == "__main__":
    build()
