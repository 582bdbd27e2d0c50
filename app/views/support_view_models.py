"""How long the versions of a site get security fixes, for its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from app.domain.inventory import php_eol, wordpress_eol


@dataclass(frozen=True)
class VersionSupport:
    """What the site's branches get. `newest` is the newest branch of WordPress.

    `wordpress` is a word of wordpress_eol. The dates are None if they are not known.
    """

    wordpress: str
    newest: str
    wordpress_ended: date | None
    php_ends: date | None
    as_of: date


def version_support(document: dict[str, Any]) -> VersionSupport:
    """Return it for stored site data, which names the versions of WordPress that are available."""
    version = (document.get("wordpress") or {}).get("version", "")
    available = (document.get("updates") or {}).get("core", [])
    newest = wordpress_eol.newest_branch(one.get("version", "") for one in available)
    return VersionSupport(
        wordpress=wordpress_eol.support_of(version, newest),
        newest=".".join(map(str, newest)),
        wordpress_ended=wordpress_eol.ended_on(version),
        php_ends=php_eol.ends_on((document.get("php") or {}).get("version", "")),
        as_of=wordpress_eol.AS_OF,
    )
