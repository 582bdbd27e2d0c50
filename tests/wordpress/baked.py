"""Images with an installed site: everything a site starts with, but not SiteAgent.

Such an image is made once from an image with WordPress's files (images.py), and again when
anything that is put on a site changes. What differs between two sites (address, password,
salts, SiteAgent's own files) is put on it at each start, see site.py.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from tests.wordpress import container
from tests.wordpress.engine import docker, say
from tests.wordpress.images import image_exists, one_builder, prune, used
from tests.wordpress.leftovers import LABEL
from tests.wordpress.repository import active_plugins, installed_files, repository_files

CONTENT = f"{container.ROOT}/wp-content".lstrip("/")
INSIDE = "srv/inside"
ADMIN = "webmaster"
_REPOSITORY = "aura-test-site"
_TITLE = "Harbour Bakery"
_PHP = Path(__file__).with_name("php")
_INSIDE_SOURCES = Path(__file__).with_name("inside")


def baked_image(base: str) -> str:
    """Return the tag of the image with a site on top of the image `base`; made now if missing."""
    files = dict(_files())
    label = _label(base)
    tag = f"{_REPOSITORY}:{label}-{_digest(base, files)}"
    if not image_exists(tag):
        with one_builder(f"site-{label}"):
            if not image_exists(tag):
                started = time.monotonic()
                _bake(base, tag, files)
                say(label, f"site installed after {time.monotonic() - started:.0f} s")
                prune(tag)
    used(tag)
    return tag


def _label(base: str) -> str:
    """Return what the image `base` is called without its digest: "wordpress-forky", "rigs"."""
    repository, _, tag = base.partition(":")
    kind = tag.rpartition("-")[0]
    return "-".join(word for word in (repository.removeprefix("aura-test-"), kind) if word)


def _digest(base: str, files: dict[str, bytes]) -> str:
    digest = hashlib.sha256(base.encode())
    for path in (Path(__file__), _PHP / "install.php", _PHP / "finish.php"):
        digest.update(path.read_bytes())
    for name in sorted(files):
        digest.update(f"\0{name}\0".encode() + files[name])
    return digest.hexdigest()[:12]


def _files() -> Iterator[tuple[str, bytes]]:
    template = (_PHP / "wp-config.php").read_bytes()
    yield f"{container.ROOT[1:]}/wp-config.php", template
    yield container.DEBUG_LOG[1:], b""
    yield f"{CONTENT}/mu-plugins/wordpress-org.php", (_PHP / "wordpress-org.php").read_bytes()
    yield "etc/apache2/sites-enabled/inside.conf", (_INSIDE_SOURCES / "apache.conf").read_bytes()
    for path in sorted(_INSIDE_SOURCES.glob("*.php")):
        yield f"{INSIDE}/{path.name}", path.read_bytes()
    yield from repository_files()
    yield from installed_files(CONTENT)


def _bake(base: str, tag: str, files: dict[str, bytes]) -> None:
    port = container.free_port()
    url = f"http://127.0.0.1:{port}"
    made = container.create(base, port)
    try:
        container.put(made, files.items())
        container.start(made, port)
        install = (_PHP / "install.php").read_text("utf-8")
        container.run_php(made, install, url, _TITLE, ADMIN, secrets.token_urlsafe(12))
        wanted = {"address": url, "plugins": active_plugins()}
        finish = (_PHP / "finish.php").read_text("utf-8")
        container.run_php(made, finish, json.dumps(wanted))
        docker("exec", made, "mariadb", "--execute", _GRANT)
        container.shut_down(made)
        # A site asks for its former address, and belongs to the process that starts it.
        changes = (f"ENV BAKED_ADDRESS={url}", f"LABEL {LABEL}=")
        words = [word for change in changes for word in ("--change", change)]
        docker("commit", *words, made, tag)
    finally:
        container.remove(made)


# For the copy that a site is reset to.
_GRANT = (
    "CREATE DATABASE kept_site CHARACTER SET utf8mb4;"
    "GRANT ALL ON kept_site.* TO 'test_site'@'localhost';"
)
