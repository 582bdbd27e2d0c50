"""WordPress releases between the ones that Debian carries, each on the oldest machine.

npm has them, without some pictures and styles. `python -m tests.support.prepare --all` builds
their images before tests start.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path

from tests.matrix.phps import alone, fetch
from tests.wordpress.engine import run_aloud
from tests.wordpress.images import CACHE, image_exists, image_of, prune, used

RELEASES = ("6.2", "6.3", "6.4", "6.5")
_SOURCES = Path(__file__).with_name("cores")
_ZIPS = "node_modules/@wp-playground/wordpress-builds/src/wordpress"


def image_with(release: str) -> str:
    """Return the tag of the image with this release; all are built now unless they are there."""
    with alone("wordpresses"):
        tags = {one: _tag(one) for one in RELEASES}
        missing = [one for one in RELEASES if not image_exists(tags[one])]
        if missing:
            archives = fetched_archives()
            for one in missing:
                _build(one, tags[one], archives)
                prune(tags[one])
    used(tags[release])
    return tags[release]


def fetched_archives() -> Path:
    """Return the folder with the releases' archives; fetched now if missing."""
    digest = hashlib.sha256((_SOURCES / "package-lock.json").read_bytes()).hexdigest()[:12]
    archives = CACHE / f"wordpresses-{digest}"
    with alone("wordpress-archives"):
        if not archives.is_dir():
            with tempfile.TemporaryDirectory(prefix="wordpresses-", dir=CACHE) as folder:
                fetch(_SOURCES, Path(folder), "wordpresses")
                kept = Path(folder) / "kept"
                kept.mkdir()
                for one in RELEASES:
                    (Path(folder) / _ZIPS / f"wp-{one}.zip").rename(kept / f"wp-{one}.zip")
                kept.rename(archives)
    return archives


def _tag(release: str) -> str:
    digest = hashlib.sha256(f"{image_of('oldest')}\0{release}".encode())
    for name in ("Dockerfile", "package-lock.json"):
        digest.update((_SOURCES / name).read_bytes())
    return f"aura-test-wordpress-{release}:{digest.hexdigest()[:12]}"


def _build(release: str, tag: str, archives: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f"wordpress-{release}-", dir=CACHE) as folder:
        context = Path(folder)
        with zipfile.ZipFile(archives / f"wp-{release}.zip") as archive:
            archive.extractall(context / "wordpress", filter(_is_core, archive.namelist()))
        shutil.copyfile(_SOURCES / "Dockerfile", context / "Dockerfile")
        base = f"BASE={image_of('oldest')}"
        run_aloud(release, ["docker", "build", "--tag", tag, "--build-arg", base, str(context)])


def _is_core(name: str) -> bool:
    """Not the settings and the database that the archive brings for its own purpose."""
    if name.startswith("wp-content/"):
        return name.startswith("wp-content/themes/")
    return name != "wp-config.php"
