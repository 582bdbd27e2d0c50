"""A real site on which releases are tried, and what its visitors see meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

import requests

from app.http.errors import CallError
from bench.release_kinds import FROM, MAIN, PLUGIN, THEME, TO, Files, Kind, old_files
from tests.plugin.support.changing import (
    ApprovedChange,
    ask,
    grant,
    injected_faults,
    php_text,
    publish_package,
    reached,
    update,
)
from tests.plugin.support.dashboard import Paired, new_token, pair
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.wp_admin import Person
from tests.support.packages import packed
from tests.wordpress.engine import docker
from tests.wordpress.site import WordPress

_PATIENCE_S = 90
_LOOK_EVERY_S = 0.1
# PHP looks for changed files every two seconds.
_OPCACHE_S = 2.1
_PREPARE = """
require_once ABSPATH . 'wp-admin/includes/admin.php';
WP_Filesystem();
$packages = '/srv/wordpress.org/downloads.wordpress.org';
unzip_file( "$packages/plugin/%(plugin)s.%(from)s.zip", WP_PLUGIN_DIR );
unzip_file( "$packages/theme/%(theme)s.%(from)s.zip", get_theme_root() );
wp_clean_plugins_cache();
wp_clean_themes_cache();
activate_plugin( '%(main)s' );
$page = array( 'post_type' => 'page', 'post_status' => 'publish', 'post_title' => 'Order',
    'post_content' => '[lab_order]' );
return wp_insert_post( $page );
"""
_UPGRADE = """
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
wp_update_%(component)ss();
$upgrader = new %(upgrader)s_Upgrader( new Automatic_Upgrader_Skin() );
return (bool) $upgrader->bulk_upgrade( array( '%(id)s' ) );
"""
_FILES = """<?php
$found  = array();
$folder = '%s';
if ( is_dir( $folder ) ) {
    $flags = FilesystemIterator::SKIP_DOTS;
    $below = new RecursiveIteratorIterator( new RecursiveDirectoryIterator( $folder, $flags ) );
    foreach ( $below as $file ) {
        $path           = substr( $file->getPathname(), strlen( dirname( $folder ) ) + 1 );
        $found[ $path ] = hash_file( 'sha256', $file->getPathname() );
    }
}
echo json_encode( $found );
"""


@dataclass(frozen=True)
class Run:
    """One update: the site's last word on it, and what was found.

    `disk` is `new` or `old` when every file is of that version, else `mixed`. `errors_s` and
    `maintenance_s` are how long the front page answered with an error, and with WordPress's
    own page of maintenance.
    """

    outcome: str
    reason: str
    seconds: float
    disk: str
    broken_pages: tuple[str, ...]
    errors_s: float
    maintenance_s: float


@dataclass
class _Visitor:
    """A visitor who reloads the front page until stopped."""

    url: str
    seen: list[tuple[float, str]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[Self]:
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(self._look)
            try:
                yield self
            finally:
                self._stop.set()
                going.result()

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            began = time.monotonic()
            self.seen.append((began, _front_page(self.url)))

    def seconds(self, what: str) -> float:
        """Return how long the page was like this; each look counts until the next one."""
        ends = [at for at, _ in self.seen[1:]] + [time.monotonic()]
        pairs = zip(self.seen, ends, strict=True)
        return sum(until - at for (at, seen), until in pairs if seen == what)


def _front_page(url: str) -> str:
    try:
        answer = requests.get(url, timeout=_PATIENCE_S)
    except requests.RequestException:
        return "error"
    if answer.status_code == 503 and "maintenance" in answer.text:
        return "maintenance"
    return "fine" if answer.status_code == 200 and "</html>" in answer.text else "error"


@dataclass
class Lab:
    """The site, in its state before every update."""

    site: WordPress
    wp: RealWordPress
    paired: Paired
    order_page: int
    person: Person
    php: str

    @property
    def version(self) -> str:
        return self.site.version

    def by_wordpress_alone(self, kind: Kind) -> list[str]:
        """Install a release of this kind as WordPress does; return the pages that broke."""
        self._arrange(kind, seed=0)
        what = {"id": kind.id, "component": kind.component, "upgrader": kind.component.title()}
        self.wp.evaluate(_UPGRADE % what)
        if self._disk(kind, seed=0) != "new":
            raise RuntimeError(f"{kind.name}: WordPress did not install it")
        time.sleep(_OPCACHE_S)
        return self._broken_pages(kind)

    def by_plan(self, kind: Kind, seed: int) -> Run:
        """Approve a release of this kind by its bytes, have the site run it, and look."""
        self._arrange(kind, seed)
        item = {"kind": kind.component, "id": kind.id, "from": FROM, "to": TO}
        facts = ask(self.paired, "change.check", item={**item, "package": True})["facts"]
        pins = ("package_host", "package_sha256", "tree_sha256")
        change = ApprovedChange.of(
            self.wp, self.paired, {**item, **{name: facts[name] for name in pins}}
        )
        visitor = _Visitor(self.wp.url)
        with visitor.watching():
            began = time.monotonic()
            reply = self._killed(change) if kind.is_killed else change.send(deadline_s=_PATIENCE_S)
            seconds = time.monotonic() - began
        time.sleep(_OPCACHE_S)
        # Looking may be what the site waits for: see `watched_until`.
        self._broken_pages(kind)
        reply = {**reply, **_status(change)}
        return Run(
            outcome=str(reply["outcome"]),
            reason=str(reply["reason"]),
            seconds=seconds,
            disk=self._disk(kind, seed),
            broken_pages=tuple(self._broken_pages(kind)),
            errors_s=visitor.seconds("error"),
            maintenance_s=visitor.seconds("maintenance"),
        )

    def _arrange(self, kind: Kind, seed: int) -> None:
        self.site.reset()
        if kind.component == "theme":
            self.wp.evaluate(f"switch_theme('{THEME}'); return 0;")
        if not kind.is_active:
            self.wp.evaluate(f"deactivate_plugins('{MAIN}'); return 0;")
        package = f"{kind.component}/{kind.slug}.{TO}.zip"
        publish_package(self.wp, package, _archive(kind.files(seed)))
        update(self.wp, kind.slug, TO, kind=kind.component)

    def _killed(self, change: ApprovedChange) -> dict[str, Any]:
        """Send a change whose process ends between the old files and the new ones."""
        with injected_faults(self.wp, sleep={"half_way": 30}), ThreadPoolExecutor(1) as pool:
            going = pool.submit(change.send)
            docker("exec", self.wp.container, "kill", "-9", str(reached(self.wp)))
            if not isinstance(going.exception(_PATIENCE_S), CallError):
                raise RuntimeError("the site answered although its process was killed")
            # The dashboard asks what became of it.
            return _status(change)

    def _disk(self, kind: Kind, seed: int) -> str:
        below = "plugins" if kind.component == "plugin" else "themes"
        folder = f"{self.site.root}/wp-content/{below}/{kind.slug}"
        found = json.loads(self.wp.run_php(_FILES % folder)) or {}
        for name, files in (("new", kind.files(seed)), ("old", old_files(kind.component))):
            if found == {path: sha256(text.encode()).hexdigest() for path, text in files.items()}:
                return name
        return "mixed"

    def _broken_pages(self, kind: Kind) -> list[str]:
        url, session = self.wp.url, self.person.session
        # What has to be there, beside status 200.
        wanted = {
            "front page": (requests, "/", "</html>"),
            "post": (requests, "/?p=1", "</html>"),
            "order form": (requests, f"/?page_id={self.order_page}", "<button>Order</button>"),
            "sign-in": (requests, "/wp-login.php", 'id="loginform"'),
            "wp-admin": (session, "/wp-admin/", 'id="wpfooter"'),
            "REST API": (requests, "/?rest_route=/wp/v2/posts", '"id":1'),
        }
        if not kind.is_active:
            del wanted["order form"]
        return [
            name
            for name, (by, path, text) in wanted.items()
            if name not in kind.blind and not _works(by, url + path, text)
        ]


def _works(by: Any, url: str, text: str) -> bool:
    try:
        answer = by.get(url, timeout=_PATIENCE_S)
    except requests.RequestException:
        return False
    return answer.status_code == 200 and text in answer.text


def _status(change: ApprovedChange) -> dict[str, Any]:
    """Return what the site says of an update, as a dashboard asks when it got no answer."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            reply = change.status()
        except CallError as why:
            reply = {"state": "unknown", "outcome": "unknown", "reason": str(why.error_code)}
        if reply["state"] == "done" or time.monotonic() > until:
            return reply
        time.sleep(0.5)


def _archive(files: Files) -> bytes:
    return packed({name: text.encode() for name, text in files.items()}, level=6)


@contextmanager
def opened(machine: str) -> Iterator[Lab]:
    """Start a site with the old versions, connected, with updates permitted; end it afterwards."""
    site = WordPress.start(machine)
    try:
        wp = RealWordPress(site)
        for component, slug in (("plugin", PLUGIN), ("theme", THEME)):
            package = f"{component}/{slug}.{FROM}.zip"
            publish_package(wp, package, _archive(old_files(component)))
        names = {"plugin": PLUGIN, "theme": THEME, "from": FROM, "main": MAIN}
        order_page = wp.evaluate(_PREPARE % names)
        token = new_token(wp.url)
        accept = "$p = siteagent()->pairing(); $p->accept($p->read_token(%s), true, 'user:1');"
        wp.evaluate(accept % php_text(token.text()))
        paired = pair(token)
        grant(wp, "plugins", "themes")
        person = Person(wp.url, site.admin_user, site.admin_password)
        site.keep()
        yield Lab(site, wp, paired, order_page, person, wp.evaluate("return PHP_VERSION;"))
    finally:
        site.stop()
