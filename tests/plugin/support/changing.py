"""Send changes to a site as a dashboard does, and read the site's disk before and after."""

from __future__ import annotations

import functools
import io
import json
import time
import uuid
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import keys
from app.http import site_client
from app.protocol import b64u, canonical
from tests.plugin.support.dashboard import NETS, Paired, checkpoint_of
from tests.plugin.support.probe import must_use
from tests.wordpress.engine import docker
from tests.wordpress.repository import FIXTURES, files_below

FAULT_INJECTION = Path(__file__).with_name("fault_injection.php")
DESK = "contact-desk/contact-desk.php"

GALLERY = "tide-gallery/tide-gallery.php"
DOWNLOADS = "downloads.wordpress.org"
DEADLINE_S = 120.0


def item_of(wp: Any, component: str, to: str, *, kind: str = "plugin") -> dict[str, str]:
    """Return a plan's item: the update of this component from the installed version."""
    return {"kind": kind, "id": component, "from": version(wp, component, kind=kind), "to": to}


@functools.cache
def about(wp: Any, keyid: str) -> tuple[str, str, str]:
    """Return the site's UUID, WordPress version and PHP version, cached by connection."""
    return wp.evaluate(
        "return array(siteagent()->site_identity()->uuid(), get_bloginfo('version'), PHP_VERSION);"
    )


@dataclass
class ApprovedChange:
    """An approved change with a signed plan; a test can replace every part of it."""

    paired: Paired
    plan: dict[str, Any]
    seed: bytes = field(repr=False)
    op: str = "change.run"

    @classmethod
    def of(
        cls,
        wp: Any,
        paired: Paired,
        item: dict[str, Any],
        *,
        op: str = "change.run",
        **changed: Any,
    ) -> ApprovedChange:
        now = int(time.time())
        site, wordpress, php = about(wp, paired.channel.keyid)
        source = {"package_host": DOWNLOADS, "package_sha256": None}
        plan = {
            "v": 1,
            "do": op,
            "op_id": str(uuid.uuid4()),
            "site": site,
            "kid": paired.channel.keyid,
            "home": wp.url,
            "item": {**source, **item},
            "pre": {"wp": wordpress, "php": php},
            "not_before": now - 5,
            "not_after": now + 600,
            "approval": {"by": "Ben", "how": "second_person", "at": now - 10, "reason": ""},
        }
        return cls(paired, {**plan, **changed}, paired.seed, op)

    @property
    def op_id(self) -> str:
        return self.plan["op_id"]

    def send(self, *, deadline_s: float = DEADLINE_S, **changed: Any) -> dict[str, Any]:
        """Send the plan; return the site's response. Raises CallError without a valid one."""
        arguments = {**self.signed(), **changed}
        return ask(self.paired, self.op, deadline_s=deadline_s, **arguments)

    def signed(self) -> dict[str, Any]:
        """Return the operation's arguments with the signed plan."""
        raw = canonical(self.plan)
        sig = keys.sign_plan(self.seed, raw)
        arguments = {"op_id": self.op_id, "plan": b64u(raw), "sig": b64u(sig)}
        return {**arguments, "checkpoint": checkpoint_of(self.paired, 1, 1)}

    def status(self) -> dict[str, Any]:
        return ask(self.paired, "change.status", op_id=self.op_id)


def ask(paired: Paired, op: str, *, deadline_s: float = DEADLINE_S, **args: Any) -> dict[str, Any]:
    reply = site_client.call(
        paired.channel, op, args, by="Ben", allow_nets=NETS, deadline_s=deadline_s
    )
    return reply.document


def grant(wp: Any, *permissions: str, here: bool = False) -> None:
    """Grant permissions as the owner's form in wp-admin does."""
    names = ", ".join(f"'{permission}'" for permission in permissions)
    approval_on_site = "true" if here else "false"
    wp.evaluate(f"return siteagent()->permissions()->grant(array({names}), {approval_on_site});")


def version(wp: Any, component: str, *, kind: str = "plugin") -> str:
    return wp.evaluate(
        "Siteagent_Report::load_admin_includes();"
        f"return (new Siteagent_Component('{kind}', '{component}'))->version();"
    )


# All files of a component, and what SiteAgent could leave on the disk.
_DISK_STATE = """
Siteagent_Report::load_admin_includes();
$component = new Siteagent_Component('%(kind)s', '%(id)s');
$seen = array('version' => $component->version(), 'active' => $component->is_active());
$folder = $component->folder();
foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($folder, 4096)) as $file) {
    $seen['files'][substr($file->getPathname(), strlen($folder))] =
        array($file->getMTime(), md5_file($file->getPathname()));
}
ksort($seen['files']);
$seen['left'] = array_map('basename', array_merge(
    glob(WP_CONTENT_DIR . '/siteagent-probation*'), glob(WPMU_PLUGIN_DIR . '/siteagent*'),
    glob(ABSPATH . '.maintenance')
));
return $seen;
"""


def disk(wp: Any, component: str, *, kind: str = "plugin") -> dict[str, Any]:
    """Return a component's version, file hashes and times, and SiteAgent's leftover files."""
    return wp.evaluate(_DISK_STATE % {"kind": kind, "id": component})


def update(wp: Any, slug: str, to: str, *, kind: str = "plugin", **about: Any) -> None:
    """Publish an available update on WordPress.org; the site has not checked for it yet."""
    wp.evaluate(_publish_update(slug, to, kind, about))


def _publish_update(slug: str, to: str, kind: str, about: dict[str, Any]) -> str:
    listed = {"version": to, "requires": "6.0", "requires_php": "7.4", "tested": "7.1", **about}
    return (
        "$file = '/srv/wordpress.org/catalogue.json';"
        "$all = json_decode(file_get_contents($file), true);"
        f"$all['{kind}s']['{slug}'] = json_decode({php_text(json.dumps(listed))}, true);"
        "file_put_contents($file, json_encode($all));"
        # The site would reuse an answer that is less than a minute old.
        f"(new Siteagent_Update_Transient('{kind}s'))->mark_stale();"
    )


def publish(wp: Any, path: str, files: Mapping[str, str | bytes]) -> None:
    """Publish a package of these files on WordPress.org."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    publish_package(wp, path, buffer.getvalue())


def publish_package(wp: Any, path: str, package: bytes) -> None:
    """Publish a package as it is on WordPress.org."""
    packed = b64encode(package).decode()
    wp.evaluate(
        f"$file = '/srv/wordpress.org/downloads.wordpress.org/{path}';"
        "is_dir(dirname($file)) || mkdir(dirname($file), 0755, true);"
        f"return file_put_contents($file, base64_decode('{packed}'));"
    )


def reset(
    wp: Any, slug: str, to: str, *, kind: str = "plugin", available: str = ""
) -> dict[str, Any]:
    """Install this fixture version of a component; return its `disk()`."""
    files = {
        name: content.decode() for name, content in files_below(FIXTURES / f"{kind}s" / slug / to)
    }
    component = f"{slug}/{slug}.php" if kind == "plugin" else slug
    return wp.evaluate(
        f"$root = '{kind}' === 'plugin' ? WP_PLUGIN_DIR : get_theme_root();"
        f'Siteagent_Filesystem::remove("$root/{slug}"); mkdir("$root/{slug}");'
        f"foreach (json_decode({php_text(json.dumps(files))}) as $name => $text)"
        f'{{ file_put_contents("$root/{slug}/$name", $text); }}'
        "wp_clean_plugins_cache(); wp_clean_themes_cache();"
        + (_publish_update(slug, available, kind, {}) if available else "")
        + _DISK_STATE % {"kind": kind, "id": component}
    )


def php_text(text: str) -> str:
    """Return a PHP string literal for any text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def injected_faults(wp: Any, **with_: Any) -> Iterator[None]:
    """Inject these faults on the site for a while, see fault_injection.php."""
    faults = php_text(json.dumps(with_))
    with must_use(wp, FAULT_INJECTION):
        wp.evaluate(f"update_option('fault_injection', json_decode({faults}, true));")
        try:
            yield
        finally:
            wp.evaluate("delete_option('fault_injection'); @unlink('/tmp/fault_injection');")


def reached(wp: Any, timeout_s: float = 30.0) -> int:
    """Wait until a process sleeps; return its id. WordPress may be in maintenance mode."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        process = docker(
            "exec", wp.container, "sh", "-c", "cat /tmp/fault_injection 2>&- || :"
        ).strip()
        if process:
            return int(process)
        time.sleep(0.05)
    raise AssertionError("no process has reached this point")


def wake(wp: Any) -> None:
    """Wake the sleeping process."""
    docker("exec", wp.container, "rm", "/tmp/fault_injection")


def same_files(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return {name: about[1] for name, about in before["files"].items()} == {
        name: about[1] for name, about in after["files"].items()
    }
