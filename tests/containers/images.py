"""Images for the tests of containers: Aura's own, and what compose.yaml takes from a registry.

All of them are made on Debians of this machine's own mirror, so that no registry is needed.
An image is made again when one of its files changes, and Docker keeps the layers below.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.wordpress import images

ROOT = Path(__file__).resolve().parents[2]
_BASE, _SERVICES = (Path(__file__).with_name(name) for name in ("base", "services"))
# Aura's image and its PostgreSQL are on Debian 12; all else is as new as the registry's images.
_SUITE, _NEWER = "bookworm", "trixie"
# The variables of compose.yaml that name an image, and the stage that takes its place.
STAND_INS = {"POSTGRES_IMAGE": "postgres", "REDIS_IMAGE": "redis", "CADDY_IMAGE": "caddy"}
_PIP = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"


def aura_image() -> str:
    """Return the tag of the image that the Dockerfile builds from this checkout."""
    base = _base(_SUITE)
    with tempfile.TemporaryDirectory(prefix="aura-image-") as folder:
        for name in ("Dockerfile", ".dockerignore", *_contents()):
            _copy(ROOT / name, Path(folder) / name)
        return _made("aura-test-aura", "aura", Path(folder), BASE=base)


def service_image(stage: str) -> str:
    """Return the tag of the image of this stage of services/Dockerfile."""
    return _made(
        f"aura-test-{stage}",
        stage,
        _SERVICES,
        *("--target", stage),
        BASE=_base(_SUITE),
        NEWER=_base(_NEWER),
    )


def all_images() -> list[Callable[[], str]]:
    """Make each of them, for those who make images side by side."""
    stages = (*STAND_INS.values(), "compose")
    return [aura_image, *(lambda stage=stage: service_image(stage) for stage in stages)]


def _contents() -> list[str]:
    """Return the files that .dockerignore lets into the image."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _base(suite: str) -> str:
    with images.one_builder(suite):
        debian = images.debian_image(suite)
    with tempfile.TemporaryDirectory(prefix="aura-image-") as folder:
        context = Path(folder)
        shutil.copytree(_BASE, context, dirs_exist_ok=True)
        images.add_host_settings(context)
        if any((context / "host/usr/local/share/ca-certificates").iterdir()):
            # pip has certificates of its own, unlike apt.
            (context / "host/etc/pip.conf").write_text(_PIP)
        return _made("aura-test-base", suite, context, BASE=debian)


def _made(repository: str, label: str, context: Path, *words: str, **arguments: str) -> str:
    """Return the tag of the image of this context, which is built if missing."""
    digest = images.digest_of(context, label, *words, *arguments.values())
    tag = f"{repository}:{label}-{digest}"
    if not images.image_exists(tag):
        with images.one_builder(repository):
            if not images.image_exists(tag):
                images.build(label, tag, context, *words, **arguments)
                images.prune(tag)
    images.used(tag)
    return tag
