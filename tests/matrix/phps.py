"""PHP from the oldest supported version to the newest, each used like the command `php`.

One is this machine's own. The others are WebAssembly from npm (php.mjs); they have no
sodium extension, so there the plugin runs on WordPress's own stand-in, sodium_compat.
`python -m tests.support.prepare` fetches all that before tests start.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.plugin.support.php import system_php
from tests.wordpress.engine import run_aloud
from tests.wordpress.images import CACHE, image_of

_HERE = Path(__file__).parent
_NODE = Path(sys.executable).with_name("node")
NPM = str(_NODE.with_name("npm"))
_COMPAT = "wp-includes/sodium_compat"


@dataclass(frozen=True)
class PhpVersion:
    """One PHP; where it has no sodium extension, `stand_in` names the WordPress machine
    whose sodium_compat it gets: a WordPress that supports this PHP."""

    name: str
    words: tuple[str, ...]
    stand_in: str = ""

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs this PHP, with errors on stderr."""
        return [*self.words, "-d", "display_errors=stderr", "-d", "error_reporting=-1", *arguments]

    def script(self, path: Path) -> list[str]:
        """Return the command line for a script that takes sodium_compat's autoloader."""
        extra = [str(sodium_compat(self.stand_in))] if self.stand_in else []
        return self.command(str(path), *extra)

    def __str__(self) -> str:
        return self.name


def _webassembly(version: str, stand_in: str) -> PhpVersion:
    return PhpVersion(version, (str(_NODE), str(_HERE / "php.mjs"), version), stand_in)


SYSTEM = PhpVersion("system", (system_php(),))
# WordPress 6.1 supports PHP 8.2 and none after it.
WEBASSEMBLY = (
    _webassembly("7.4", "oldest"),
    _webassembly("8.0", "oldest"),
    _webassembly("8.1", "oldest"),
    _webassembly("8.2", "oldest"),
    _webassembly("8.3", "newest"),
    _webassembly("8.4", "newest"),
    _webassembly("8.5", "newest"),
)
OLDEST, NEWEST = WEBASSEMBLY[0], WEBASSEMBLY[-1]
ALL = (SYSTEM, *WEBASSEMBLY)


def install() -> None:
    """Fetch what package-lock.json names, once for all checkouts, and link to it from here."""
    digest = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    fetched, linked = CACHE / f"phps-{digest}" / "node_modules", _HERE / "node_modules"
    with alone("phps"):
        if not fetched.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                fetch(_HERE, Path(folder), "phps")
                fetched.parent.mkdir(exist_ok=True)
                (Path(folder) / "node_modules").rename(fetched)
        if not linked.is_symlink() or linked.readlink() != fetched:
            _remove(linked)
            linked.symlink_to(fetched)


def fetch(sources: Path, target: Path, label: str) -> None:
    """Install the npm packages that the lock file in `sources` names into the folder `target`."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(sources / name, target / name)
    run_aloud(label, [NPM, "ci", "--prefix", str(target), "--loglevel", "error"])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sodium_compat(which: str) -> Path:
    """Return the autoloader of the sodium_compat in this machine's WordPress."""
    tag = image_of(which)
    folder = CACHE / f"sodium-compat-{tag.rpartition(':')[2]}"
    with alone("phps"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as unpacked:
                _unpack(tag, Path(unpacked))
                (Path(unpacked) / _COMPAT).rename(folder)
    return folder / "autoload.php"


def _unpack(tag: str, target: Path) -> None:
    """sodium_compat, out of the image and into this folder."""
    tar = ["tar", "--create", "--directory", "/var/www/wordpress", _COMPAT]
    command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", tar[0], tag, *tar[1:]]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(target, filter="data")


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Lock downloads, so that of two test runs on one machine the second waits."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
