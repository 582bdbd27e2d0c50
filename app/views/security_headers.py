"""Security headers and caching headers of every response."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from app.config import Config

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it, browsers send no origin for Aura's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000"
# Public responses that set their own caching headers.
CACHEABLE = frozenset(
    {"brand.logo", "brand.stylesheet", "plugin_updates.metadata", "plugin_updates.package"}
)
_YEAR = "public, max-age=31536000, immutable"


def register(app: Flask, config: Config) -> None:
    def harden(answer: Response) -> Response:
        for name, value in ALWAYS.items():
            # A view may set a narrower policy for what is no page.
            answer.headers.setdefault(name, value)
        if config.is_https:
            answer.headers["Strict-Transport-Security"] = HSTS
        if request.endpoint in CACHEABLE and answer.status_code < 400:
            return answer
        if request.endpoint != "static" or answer.status_code >= 400:
            # All pages: after signing out, the Back button shows nothing.
            # Replace what a view set: send_file would let browsers cache an export.
            answer.headers["Cache-Control"] = "no-store"
        elif "v" in request.args:
            answer.headers["Cache-Control"] = _YEAR
        return answer

    def name_version(endpoint: str, values: dict[str, Any]) -> None:
        """Add the version to a file's address, so browsers may cache it forever."""
        if endpoint == "static" and "filename" in values:
            path = Path(app.static_folder or "") / values["filename"]
            values.setdefault("v", _version_of(path, path.stat().st_mtime_ns))

    app.after_request(harden)
    app.url_defaults(name_version)


@cache
def _version_of(path: Path, _changed_at: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
