"""WordPress releases between the ones that Debian carries, each on the oldest machine.

npm has them, without some pictures and styles. `python -m tests.matrix.wordpresses` builds
their images before tests start.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.matrix.phps import NPM, alone
from tests.wordpress.engine import EngineFailed, docker, run_aloud
from tests.wordpress.images import CACHE, image_of

RELEASES = ("6.2", "6.3", "6.4", "6.5")
_SOURCES = Path(__file__).with_name("cores")
_ZIPS = "node_modules/@wp-playground/wordpress-builds/src/wordpress"


def image_with(release: str) -> str:
    """The tag of the image with this release; all are built now unless they are there."""
    with alone("wordpresses"):
        tags = {one: _tag(one) for one in RELEASES}
        missing = [one for one in RELEASES if not _exists(tags[one])]
        if missing:
            with tempfile.TemporaryDirectory(prefix="wordpresses-", dir=CACHE) as folder:
                fetched = _fetch(Path(folder))
                for one in missing:
                    _build(one, tags[one], fetched, Path(folder))
    return tags[release]


def _tag(release: str) -> str:
    digest = hashlib.sha256(f"{image_of('oldest')}\0{release}".encode())
    for name in ("Dockerfile", "package-lock.json"):
        digest.update((_SOURCES / name).read_bytes())
    return f"aura-test-wordpress-{release}:{digest.hexdigest()[:12]}"


def _exists(tag: str) -> bool:
    return bool(docker("image", "ls", "--quiet", tag).strip())


def _fetch(folder: Path) -> Path:
    """The folder with the releases' archives."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(_SOURCES / name, folder / name)
    run_aloud("wordpresses", [NPM, "ci", "--prefix", str(folder), "--loglevel", "error"])
    return folder / _ZIPS


def _build(release: str, tag: str, fetched: Path, folder: Path) -> None:
    context = folder / release
    with zipfile.ZipFile(fetched / f"wp-{release}.zip") as archive:
        archive.extractall(context / "wordpress", filter(_is_core, archive.namelist()))
    shutil.copyfile(_SOURCES / "Dockerfile", context / "Dockerfile")
    base = f"BASE={image_of('oldest')}"
    run_aloud(release, ["docker", "build", "--tag", tag, "--build-arg", base, str(context)])


def _is_core(name: str) -> bool:
    """Not the settings and the database that the archive brings for its own purpose."""
    if name.startswith("wp-content/"):
        return name.startswith("wp-content/themes/")
    return name != "wp-config.php"


if __name__ == "__main__":
    try:
        image_with(RELEASES[0])
    except EngineFailed as why:
        sys.exit(str(why))
