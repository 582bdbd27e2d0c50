"""Publish releases of SiteAgent on the dashboard of a test site, valid or not."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from app import keys
from app.domain.plugin_package import build_plugin_zip
from app.protocol import b64u

# tests/wordpress/php/wordpress-org.php serves its files as well as WordPress.org's.
DASHBOARD = "https://aura.example"
KEY = bytes(range(1, 33))
PUBLIC = keys.signing_public(KEY)


def installed_package() -> bytes:
    """Return SiteAgent's package with the public key for the tests' releases."""
    return build_plugin_zip(release_key=PUBLIC)


def trust_test_key(wp: Any) -> None:
    """Make the installed SiteAgent accept the tests' releases."""
    wp.evaluate(
        f"return file_put_contents(dirname(SITEAGENT_FILE) . '/release-key.pub', '{b64u(PUBLIC)}');"
    )


def publish_release(
    wp: Any, version: str, package: bytes, *, seed: bytes = KEY, sent: bytes = b"", **changed: Any
) -> dict[str, Any]:
    """Publish a release on the dashboard; `sent` replaces the package that it serves."""
    fields = release_fields(version, package, seed=seed) | changed
    write(wp, "release.json", json.dumps(fields).encode())
    write(wp, f"{fields['sha256']}.zip", sent or package)
    # The site would reuse an answer that is less than a minute old.
    wp.evaluate("(new Siteagent_Update_Transient('plugins'))->mark_stale();")
    return fields


def release_fields(version: str, package: bytes, *, seed: bytes = KEY) -> dict[str, Any]:
    """Return the fields of a dashboard's release.json for this package."""
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
    """Write a release into the folder from which a running dashboard serves releases."""
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
