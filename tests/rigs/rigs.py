"""Ways in which a WordPress can be reached, good and bad, for tests that call sites.

    rigs = Rigs.start()                      # one container, a few seconds
    with rigs.at("nginx-fpm") as rig:        # the site now lives at rig.url
        paired = rig.pair()                  # what an administrator's consent leads to
    with rigs.at("proxy") as rig:
        paired = rig.pair()
        rig.turn("firewall")                 # the same address, from now on behind a firewall
    rigs.stop()

SERVERS serve the site itself. FRONTS are what can stand before it, all at one address:
"proxy" passes everything on, "off" is a closed port, and the others change
something; each has a file in servers/proxies/, with a line that says what it does. "folder"
is a second honest proxy, with an address of its own: the site in a folder of its host.
Everything compresses what a client takes compressed. The site is the same in all rigs and
moves: WordPress believes to live at `rig.url`, so what was paired at one rig is a copy of
a site at the next.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.plugin.support.dashboard import Paired, new_token, pair
from tests.rigs.machine import rigs_image
from tests.wordpress.container import free_port
from tests.wordpress.engine import docker
from tests.wordpress.site import WordPress

_SERVED_FROM = Path(__file__).with_name("servers")
SERVERS = ("apache-mod-php", "nginx-fpm", "apache-fpm", "apache-cgi")
_FOLDERS = {"folder": "/bakery"}
_FILES = {one.stem for one in (_SERVED_FROM / "proxies").glob("*.conf")}
FRONTS = (*sorted(_FILES - _FOLDERS.keys()), "off")
HONEST = ("proxy", "folder")

_START = """
mkdir -p /run/rigs /run/rigs/cache && chown www-data: /run/rigs/cache
rig-php-fpm --fpm-config /etc/rigs/php-fpm.conf --daemonize
nginx -c /etc/rigs/nginx.conf
apache2 -f /etc/rigs/apache.conf -k start
"""
# Wait until the old front is gone, or it may answer requests for the new one.
_TURN = """
if [ -f /run/rigs/front.pid ]; then
    kill -QUIT "$(cat /run/rigs/front.pid)"
    while [ -f /run/rigs/front.pid ]; do sleep 0.01; done
fi
rm -rf /run/rigs/cache/*
[ "$1" = off ] && exit
sed "s/@kind@/$1/" /etc/rigs/front.conf > /run/rigs/front.conf
nginx -c /run/rigs/front.conf
"""
_MOVE = "update_option('home', %(url)s); update_option('siteurl', %(url)s);"
_ACCEPT = "$p = siteagent()->pairing(); $p->accept($p->read_token(%s), true, 'user:1');"


@dataclass(frozen=True)
class Rig:
    """One way to reach the site, while the site has this address."""

    url: str
    site: WordPress

    def evaluate(self, code: str) -> Any:
        """Return the value that PHP `code` returns inside WordPress."""
        return _evaluate(self.site, self.url, code)

    def accept(self, token_text: str) -> None:
        """Pair as an administrator who pastes this token and agrees, in place of
        whichever connection there was."""
        self.evaluate(_ACCEPT % json.dumps(token_text))

    def pair(self) -> Paired:
        """Return a dashboard's connection with the site, through the current rig."""
        token = new_token(self.url)
        self.accept(token.text())
        return pair(token)

    def turn(self, front: str) -> None:
        """Put `front` at this address, with an empty cache; the site stays
        where it is. Only for rigs in FRONTS."""
        assert front in FRONTS, front
        _turn(self.site, front)


@dataclass(frozen=True)
class Rigs:
    """A site with every server and front on its own port."""

    site: WordPress
    ports: dict[str, int]

    @classmethod
    def start(cls) -> Self:
        """Start a fresh site; building its image first may take minutes."""
        site = WordPress.start(image=rigs_image())
        try:
            names = ("front", *SERVERS[1:])
            ports = dict(zip(names, count(free_port(len(names))), strict=False))
            ports["apache-mod-php"] = int(site.url.rpartition(":")[2])
            docker("cp", "-", f"{site.container}:/", stdin=_configuration(site.root, ports))
            docker("exec", site.container, "bash", "-euc", _START)
        except BaseException:
            site.stop()
            raise
        return cls(site, ports)

    @contextmanager
    def at(self, name: str) -> Iterator[Rig]:
        """Move the site to the address of this server or front; afterwards it moves back."""
        port = self.ports[name if name in SERVERS else "front"]
        rig = Rig(f"http://127.0.0.1:{port}{_FOLDERS.get(name, '')}", self.site)
        self._move(rig.url)
        try:
            if name not in SERVERS:
                _turn(self.site, name)
            yield rig
        finally:
            _turn(self.site, "off")
            self._move(self.site.url)

    def stop(self) -> None:
        self.site.stop()

    def _move(self, url: str) -> None:
        _evaluate(self.site, url, _MOVE % {"url": json.dumps(url)})


def _turn(site: WordPress, front: str) -> None:
    docker("exec", site.container, "bash", "-euc", _TURN, "turn", front)


def _evaluate(site: WordPress, url: str, code: str) -> Any:
    return site.evaluate(code, f"http://{urlsplit(url).netloc}")


def _configuration(root: str, ports: dict[str, int]) -> bytes:
    """Return the files of servers/ as an archive, with the ports filled in."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(_SERVED_FROM.rglob("*.*")):
            text = path.read_text("utf-8")
            for name, port in ports.items():
                text = text.replace(f"@{name}@", str(port))
            inside = f"etc/rigs/{path.relative_to(_SERVED_FROM).as_posix()}"
            if path.suffix == ".php":
                inside = f"{root.lstrip('/')}/wp-content/mu-plugins/{path.name}"
            entry = tarfile.TarInfo(inside)
            content = text.encode()
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
