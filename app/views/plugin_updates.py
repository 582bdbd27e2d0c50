"""Offer SiteAgent's releases to sites.

This is public: a site accepts a package only because of its signature.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, current_app

from app.domain.plugin_release import METADATA, Release, ReleaseError, read_release

bp = Blueprint("plugin_updates", __name__)

_HOUR = "public, max-age=3600"
_YEAR = "public, max-age=31536000, immutable"


@bp.get(f"/siteagent/{METADATA}")
def metadata() -> Response:
    """Return the metadata of the newest release."""
    release = _release()
    return Response(release.metadata, mimetype="application/json", headers={"Cache-Control": _HOUR})


@bp.get("/siteagent/<sha256>.zip")
def package(sha256: str) -> Response:
    """Return the package of that release; its address contains its hash."""
    release = _release()
    if sha256 != release.sha256:
        abort(404)
    return Response(release.package, mimetype="application/zip", headers={"Cache-Control": _YEAR})


def _release() -> Release:
    try:
        release = read_release(current_app.config["AURA"].plugin_release)
    except ReleaseError as damaged:
        current_app.logger.error("%s Create it again with: make plugin-release", damaged)
        abort(404)
    if release is None:
        abort(404)
    return release
