"""Images of machines with WordPress on them, made of Debian's packages alone.

The base is a Debian made by debootstrap where that can run (as root, on Debian), and
the registry's debian:SUITE-slim elsewhere. AURA_WP_IMAGE=wordpress:6.9-php8.3-apache
puts the official image in the place of every Debian: it is based on Debian too, so the
same build adds the database it lacks, and the same entry point runs it.

`python -m tests.support.prepare` builds what is missing before tests start, because the
waiting would be invisible inside them. An image is built again when
anything in image/ changes; of each kind, the ones used last are kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.wordpress.engine import EngineFailed, docker, run_aloud, say

_SOURCES = Path(__file__).with_name("image")
# debootstrap knows the suites of its own time; this script makes every newer one as well.
_DEBOOTSTRAP_SCRIPT = "/usr/share/debootstrap/scripts/sid"
_PUBLIC_MIRROR = "http://deb.debian.org/debian"
_APT_SETTINGS = ("Acquire::http", "Acquire::Check-", "Acquire::Retries", "Acquire::Force")
KEPT_OF_EACH_KIND = 6
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aura-tests"


@dataclass(frozen=True)
class Machine:
    """A Debian suite, and the theme that its WordPress calls the default one."""

    suite: str
    theme: str


MACHINES = {
    "oldest": Machine("bookworm", "twentytwentythree"),  # WordPress 6.1, PHP 8.2
    "middle": Machine("trixie", "twentytwentyfive"),  # WordPress 6.8, PHP 8.4
    "newest": Machine("forky", "twentytwentyfive"),  # WordPress 7.1, PHP 8.4
}


def image_of(which: str) -> str:
    """Return the tag of this machine's image, which is built if missing."""
    machine, official = MACHINES[which], os.environ.get("AURA_WP_IMAGE", "")
    label = official or machine.suite
    # The official image brings its default theme, and is the same whichever is asked for.
    theme = "" if official else machine.theme
    with tempfile.TemporaryDirectory(prefix="aura-image-") as folder:
        context = Path(folder)
        _fill(context)
        name = f"{label}-{digest_of(context, label, theme)}"
        tag = f"aura-test-wordpress:{name.replace(':', '-').replace('/', '-')}"
        if not image_exists(tag):
            with one_builder(label):
                if not image_exists(tag):
                    started = time.monotonic()
                    say(label, "making the WordPress image, once: about two minutes")
                    base = official or debian_image(machine.suite)
                    build(label, tag, context, BASE=base, THEME=theme)
                    say(label, f"image ready after {time.monotonic() - started:.0f} s")
                    prune(tag)
    used(tag)
    return tag


def build(label: str, tag: str, context: Path, *words: str, **arguments: str) -> None:
    """Build an image; `words` are more options of `docker build`."""
    # Proxies of this machine are known to docker by name and need no declaration.
    proxies = [name for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ]
    given = [*(f"{name}={value}" for name, value in arguments.items()), *proxies]
    run_aloud(
        label,
        [
            *("docker", "build", "--network", "host", "--force-rm", "--tag", tag, *words),
            *(word for one in given for word in ("--build-arg", one)),
            str(context),
        ],
    )


def debian_image(suite: str) -> str:
    """Return the base image of this suite. Its tag is stable; later layers refresh packages."""
    if not _can_make_debian():
        return f"debian:{suite}-slim"
    tag = f"aura-test-debian:{suite}"
    if image_exists(tag):
        return tag
    # Not in /tmp, which may be small, in memory or mounted without device files.
    with tempfile.TemporaryDirectory(prefix="aura-debian-", dir="/var/tmp") as folder:
        # In a mount namespace of its own, so that a killed run leaves no /proc in the folder.
        run_aloud(
            suite,
            [
                *("unshare", "--mount", "debootstrap", "--variant=minbase"),
                *("--include=ca-certificates", suite, folder, _mirror(), _DEBOOTSTRAP_SCRIPT),
            ],
        )
        with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            assert tar.stdout is not None
            run_aloud(suite, ["docker", "import", "-", tag], stdin=tar.stdout.fileno())
        if tar.returncode:
            raise EngineFailed(f"tar could not pack {folder}")
    return tag


def _can_make_debian() -> bool:
    """Debian's relatives have debootstrap too, but not the keys Debian signs with."""
    released = Path("/etc/os-release")
    is_debian = released.exists() and "ID=debian" in released.read_text("utf-8").splitlines()
    return is_debian and os.geteuid() == 0 and shutil.which("debootstrap") is not None


def _fill(context: Path) -> None:
    """Copy the build's inputs: our files, and the settings of this machine."""
    shutil.copytree(_SOURCES, context, dirs_exist_ok=True)
    add_host_settings(context)


def add_host_settings(context: Path) -> None:
    """Add the folder host/ with what apt needs on this machine to reach its mirror."""
    settings = context / "host/etc/apt/apt.conf.d/90host"
    settings.parent.mkdir(parents=True)
    settings.write_text(_apt_settings())
    certificates = context / "host/usr/local/share/ca-certificates"
    certificates.mkdir(parents=True)
    for one in sorted(Path("/usr/local/share/ca-certificates").glob("**/*.crt")):
        shutil.copyfile(one, certificates / one.name)


def digest_of(context: Path, *words: str) -> str:
    """Return the digest of the files and options that an image is made from."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in sorted(one for one in context.rglob("*") if one.is_file()):
        digest.update(f"\0{path.relative_to(context)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def image_exists(tag: str) -> bool:
    return bool(docker("image", "ls", "--quiet", tag).strip())


def used(tag: str) -> None:
    """Note that this image is in use now, for `prune`."""
    stamp = _stamp(tag)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()


def prune(made: str) -> None:
    """Remove the images of the same kind as this tag, but the ones used last.

    A tag is the kind, a hyphen and a digest. This one has just been made, and stays.
    """
    used(made)
    repository, kind = made.partition(":")[0], made.rpartition("-")[0]
    listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository).split()
    tags = [tag for tag in listed if tag.rpartition("-")[0] == kind]
    for tag in sorted(tags, key=_used_at, reverse=True)[KEPT_OF_EACH_KIND:]:
        # Keep an image that a container of another run uses.
        with contextlib.suppress(EngineFailed):
            docker("image", "rm", tag)
        _stamp(tag).unlink(missing_ok=True)


def _stamp(tag: str) -> Path:
    return CACHE / "images" / tag


def _used_at(tag: str) -> float:
    stamp = _stamp(tag)
    return stamp.stat().st_mtime if stamp.exists() else 0.0


def _apt_settings() -> str:
    if not shutil.which("apt-config"):
        return ""
    lines = _output("apt-config", "dump").splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(_APT_SETTINGS))


def _mirror() -> str:
    """Return the Debian mirror that this machine uses."""
    wanted = "$(REPO_URI) $(COMPONENT) $(LABEL)"
    for line in _output("apt-get", "indextargets", "--format", wanted).splitlines():
        uri, component, label = line.split(" ", 2)
        if component == "main" and label in ("Debian", "") and "security" not in uri:
            return uri
    return _PUBLIC_MIRROR


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def one_builder(label: str) -> Iterator[None]:
    """Lock builds, so that of two test runs on one machine the second waits."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{label.replace('/', '-')}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(label, "waiting for another run that is making this image")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
