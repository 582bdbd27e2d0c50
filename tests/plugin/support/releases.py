"""Releases of SiteAgent as the dashboard of a test site offers them, right and wrong ones."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from app import keys
from app.domain.plugin_package import build_plugin_zip
from app.protocol import b64u

# Its files lie beside those of WordPress.org (tests/wordpress/php/wordpress-org.php).
DASHBOARD = "https://aura.example"
KEY = bytes(range(1, 33))
PUBLIC = keys.signing_public(KEY)


def installed_package() -> bytes:
    """SiteAgent as it is here, with the key that the tests sign releases with."""
    return build_plugin_zip(release_key=PUBLIC)


def trust_test_key(wp: Any) -> None:
    """Let the SiteAgent that is installed accept the releases of these tests."""
    wp.evaluate(
        f"return file_put_contents(dirname(SITEAGENT_FILE) . '/release-key.pub', '{b64u(PUBLIC)}');"
    )


def publish_release(
    wp: Any, version: str, package: bytes, *, seed: bytes = KEY, sent: bytes = b"", **changed: Any
) -> dict[str, Any]:
    """Have the dashboard offer this package; `sent` is what it sends in its place."""
    fields = release_fields(version, package, seed=seed) | changed
    write(wp, "release.json", json.dumps(fields).encode())
    write(wp, f"{fields['sha256']}.zip", sent or package)
    # An answer of less than a minute ago would still count.
    wp.evaluate("(new Siteagent_Update_Transient('plugins'))->mark_stale();")
    return fields


def release_fields(version: str, package: bytes, *, seed: bytes = KEY) -> dict[str, Any]:
    """What a dashboard's release.json says of this package."""
    sha256 = hashlib.sha256(package).hexdigest()
    return {
        "v": 1,
        "slug": "siteagent",
        "version": version,
        "sha256": sha256,
        "sig": b64u(keys.sign_release(seed, version, sha256)),
        "requires": "6.1",
        "requires_php": "7.4",
        "tested": "7.1",
    }


def put_release(folder: Path, version: str, package: bytes) -> None:
    """Write this release into the folder that a running dashboard offers."""
    fields = release_fields(version, package)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{fields['sha256']}.zip").write_bytes(package)
    (folder / "release.json").write_text(json.dumps(fields), "utf-8")


def write(wp: Any, name: str, content: bytes) -> None:
    packed = b64encode(content).decode()
    wp.evaluate(
        f"$file = '/srv/wordpress.org/aura.example/siteagent/{name}';"
        "is_dir(dirname($file)) || mkdir(dirname($file), 0755, true);"
        f"return file_put_contents($file, base64_decode('{packed}'));"
    )
