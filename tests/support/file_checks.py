"""Results of a site's comparison of files, as SiteAgent reports them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def compared(
    kind: str, ident: str, version: str, *, fingerprint: str | None = None
) -> dict[str, Any]:
    """Return a component with unchanged files. Must-use plugins and drop-ins have no release."""
    is_unreleased = kind in ("mu_plugin", "dropin")
    return {
        "kind": kind,
        "id": ident,
        "version": version,
        "compared_with": "nothing" if is_unreleased else "wordpress_org",
        "reason": "no_release" if is_unreleased else None,
        "changed": 0,
        "missing": 0,
        "unknown": 0,
        "soft": 0,
        "changed_files": [],
        "missing_files": [],
        "unknown_files": [],
        "fingerprint": fingerprint,
    }


def differing(
    ident: str,
    version: str,
    *,
    kind: str = "plugin",
    changed: Sequence[str] = (),
    missing: Sequence[str] = (),
    unknown: Sequence[str] = (),
    digit: str,
) -> dict[str, Any]:
    """Return a component with these changed files; `digit` fills its fingerprint."""
    found = {"changed": changed, "missing": missing, "unknown": unknown}
    counts = {word: len(files) for word, files in found.items()}
    names = {f"{word}_files": list(files) for word, files in found.items()}
    return compared(kind, ident, version, fingerprint=digit * 64) | counts | names


def uncompared(ident: str, version: str, reason: str, *, kind: str = "plugin") -> dict[str, Any]:
    """Return a component that the site could not compare."""
    return compared(kind, ident, version) | {"compared_with": "nothing", "reason": reason}
