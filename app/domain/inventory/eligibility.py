"""Decide whether a component may be updated now, with all reasons against it. Pure functions.

What a site does not report counts against the update. The site decides again before it changes a
file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from app.domain.inventory import update_limits
from app.domain.inventory.targets import ALL_RELEASES, NO_RELEASES, SITEAGENT, Target
from app.domain.inventory.update_limits import Pause
from app.domain.inventory.versions import is_above, is_not_newer, is_patch_release

# The permissions of a site's owner, by increasing risk.
KINDS = ("plugin", "theme", "translation", "core", "database", "siteagent")
PERMISSIONS = (
    *("translations", "plugins", "themes", "core_minor", "core_major"),
    *("database", "siteagent"),
)
# What an auto-update rule may cover. A person approves each upgrade of a database, which has no
# rollback.
RULE_PERMISSIONS = tuple(one for one in PERMISSIONS if one != "database")
# Updates that are proposed separately because of their risks.
SEPARATE_KINDS = ("core", "database", "siteagent")

STALE_AFTER = timedelta(hours=24)
# Disk space for a package, its unpacked files and the copy of the old version.
LEAST_FREE_BYTES = 200_000_000
LEAST_FREE_BYTES_CORE = 500_000_000
# Kinds with their own folder, whose state the site reports.
_WITH_FOLDER = ("plugin", "theme", "siteagent")
# Replaces no files.
_DATABASE = "database"
# Codes of reasons that are about the site and not about one update.
_SITE_WIDE = frozenset(
    {
        "not_connected",
        "quarantined",
        "open_incident",
        "no_report",
        "stale_report",
        "paused_by_owner",
        "permission_unknown",
        "permission_off",
        "file_mods_untold",
        "file_mods_off",
        "filesystem_untold",
        "filesystem",
        "disk_full",
        "rollback_untold",
        "no_rollback",
    }
)


@dataclass(frozen=True)
class ActiveHold:
    """Updates of the component are ignored, until `until` or indefinitely."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class SiteFacts:
    """The state of the site; `None` or an empty text if it did not report it."""

    is_connected: bool
    is_quarantined: bool
    has_incident: bool
    report_at: datetime | None
    wordpress: str = ""
    php: str = ""
    permissions: dict[str, bool] = field(default_factory=dict)
    rollback: bool | None = None
    file_mods: bool | None = None
    filesystem: str = ""
    disk_free: int | None = None
    auto_updater: bool | None = None
    pause: Pause | None = None

    @classmethod
    def of_document(cls, document: dict[str, Any], **live: Any) -> Self:
        """Return what site data says, together with the `live` facts that it does not contain."""
        health, agent = document.get("health") or {}, document.get("agent") or {}
        return cls(
            wordpress=(document.get("wordpress") or {}).get("version", ""),
            php=(document.get("php") or {}).get("version", ""),
            permissions=agent.get("permissions") or {},
            rollback=agent.get("rollback"),
            file_mods=health.get("file_mods"),
            filesystem=health.get("filesystem", ""),
            disk_free=health.get("disk_free"),
            auto_updater=health.get("auto_updater"),
            pause=update_limits.pause_in(document),
            **live,
        )


@dataclass(frozen=True)
class Reason:
    """One reason against an update; `facts` are what its sentence needs."""

    code: str
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def is_site_wide(self) -> bool:
        """Whether it blocks all updates of a kind on the site."""
        return self.code in _SITE_WIDE


@dataclass(frozen=True)
class Verdict:
    """All reasons against an update, shown together."""

    reasons: tuple[Reason, ...]

    @property
    def may(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class _Case:
    target: Target
    around: SiteFacts
    hold: ActiveHold | None
    now: datetime


_Rule = Callable[[_Case], Reason | None]
# The target of rules that do not look at it.
_NOTHING = Target(kind="", ident="", name="", version="", available=None)


def evaluate(target: Target, around: SiteFacts, hold: ActiveHold | None, now: datetime) -> Verdict:
    """Return the reasons against updating `target` to its available version."""
    case = _Case(target, around, hold, now)
    return Verdict(_reasons(case, _RULES))


def lasting_reasons(target: Target, document: dict[str, Any], now: datetime) -> tuple[Reason, ...]:
    """Return the reasons against an update that hold until the site sends other data."""
    live = {"is_connected": True, "is_quarantined": False, "has_incident": False, "report_at": now}
    case = _Case(target, SiteFacts.of_document(document, **live), None, now)
    return _reasons(case, _RULES)


def passing_reasons(
    around: SiteFacts, hold: ActiveHold | None, now: datetime
) -> tuple[Reason, ...]:
    """Return the reasons against any update of the site, or of what `hold` is about.

    They come and go without new site data, and need nothing of `around` that comes from it.
    """
    return _reasons(_Case(_NOTHING, around, hold, now), _PASSING_RULES)


def _reasons(case: _Case, rules: Sequence[_Rule]) -> tuple[Reason, ...]:
    found = (rule(case) for rule in rules)
    return tuple(reason for reason in found if reason is not None)


def _no_update_available(case: _Case) -> Reason | None:
    return None if case.target.available else Reason("no_update_available")


def _not_newer(case: _Case) -> Reason | None:
    """Refuse older versions: an available update may come from a vendor's server."""
    available, present = case.target.available, case.target.version
    # The versions of translations are times, which the site compares.
    if not available or case.target.kind == "translation" or not is_not_newer(available, present):
        return None
    return Reason("not_newer", {"available": available, "present": present})


def _unfit_kind(case: _Case) -> Reason | None:
    if case.target.kind not in KINDS:
        return Reason("not_updatable")
    if case.target.kind != "siteagent" and case.target.ident == SITEAGENT:
        return Reason("is_siteagent")
    return None


def _connection(case: _Case) -> Reason | None:
    if not case.around.is_connected:
        return Reason("not_connected")
    return Reason("quarantined") if case.around.is_quarantined else None


def _incident(case: _Case) -> Reason | None:
    return Reason("open_incident") if case.around.has_incident else None


def _report_age(case: _Case) -> Reason | None:
    taken = case.around.report_at
    if taken is None:
        return Reason("no_report")
    return Reason("stale_report") if case.now - taken > STALE_AFTER else None


def _pause(case: _Case) -> Reason | None:
    pause = case.around.pause
    if pause is None:
        return None
    at = pause.at.isoformat() if pause.at else ""
    return Reason("paused_by_owner", {"at": at, "reason": pause.reason})


def _exclusion(case: _Case) -> Reason | None:
    target = case.target
    if not target.available:
        return None
    return reason_of_owner(target.releases, target.version, target.available)


def reason_of_owner(releases: str, version: str, available: str) -> Reason | None:
    """Respect which releases the site's owner allows; refuse where that cannot be decided."""
    if releases == ALL_RELEASES:
        return None
    if releases == NO_RELEASES:
        return Reason("excluded_by_owner")
    is_patch = is_patch_release(version, available)
    if is_patch is None:
        return Reason("release_unclear", {"available": available})
    return None if is_patch else Reason("not_a_patch_release", {"available": available})


def _scope(case: _Case) -> Reason | None:
    permission = case.target.permission
    if permission not in PERMISSIONS:
        return None
    if permission not in case.around.permissions:
        return Reason("permission_unknown", {"permission": permission})
    return (
        None
        if case.around.permissions[permission]
        else Reason("permission_off", {"permission": permission})
    )


def _package(case: _Case) -> Reason | None:
    if case.target.available and not case.target.package:
        return Reason("no_package")
    return None


def _php(case: _Case) -> Reason | None:
    return _requirement("requires_php", case.target.requires_php, case.around.php)


def _wordpress(case: _Case) -> Reason | None:
    return _requirement("requires_wp", case.target.requires_wp, case.around.wordpress)


def _requirement(code: str, needed: str, present: str) -> Reason | None:
    if not needed:
        return None
    if not present:
        return Reason(f"{code}_untold", {"needed": needed})
    if is_above(needed, present):
        return Reason(code, {"needed": needed, "present": present})
    return None


def _file_mods(case: _Case) -> Reason | None:
    if case.target.kind == _DATABASE:
        return None
    allowed = case.around.file_mods
    if allowed is None:
        return Reason("file_mods_untold")
    return None if allowed else Reason("file_mods_off")


def _version_control(case: _Case) -> Reason | None:
    known = case.target.version_controlled
    if known is None:
        return Reason("version_control_untold") if case.target.kind in _WITH_FOLDER else None
    return Reason("version_controlled") if known else None


def _writable(case: _Case) -> Reason | None:
    known = case.target.writable
    if known is None:
        return Reason("writable_untold") if case.target.kind in _WITH_FOLDER else None
    return None if known else Reason("not_writable")


def _filesystem(case: _Case) -> Reason | None:
    if case.target.kind == _DATABASE:
        return None
    method = case.around.filesystem
    if not method:
        return Reason("filesystem_untold")
    return None if method == "direct" else Reason("filesystem", {"method": method})


def _disk(case: _Case) -> Reason | None:
    """Check the disk space. Many hosts hide it from PHP; then the site checks before it starts."""
    free = case.around.disk_free
    least = LEAST_FREE_BYTES_CORE if case.target.kind == "core" else LEAST_FREE_BYTES
    if free is None or free >= least or case.target.kind == _DATABASE:
        return None
    return Reason("disk_full", {"free": str(free), "least": str(least)})


def _rollback(case: _Case) -> Reason | None:
    """Require a rollback, except where there is none and the approver sees a warning."""
    if case.target.kind in ("core", _DATABASE):
        return None
    possible = case.around.rollback
    if possible is None:
        return Reason("rollback_untold")
    return None if possible else Reason("no_rollback")


def _auto_updates(case: _Case) -> Reason | None:
    """Refuse components that WordPress updates itself, because both records would be wrong."""
    if case.around.auto_updater is False:
        return None
    known = case.target.auto_update
    if known is None:
        return Reason("auto_update_untold")
    return Reason("auto_update", {"kind": case.target.kind}) if known else None


def _held(case: _Case) -> Reason | None:
    hold = case.hold
    if hold is None or (hold.until is not None and hold.until <= case.now):
        return None
    until = hold.until.isoformat() if hold.until else ""
    return Reason("held", {"reason": hold.reason, "until": until})


_RULES: tuple[_Rule, ...] = (
    _no_update_available,
    _not_newer,
    _unfit_kind,
    _connection,
    _incident,
    _report_age,
    _pause,
    _scope,
    _exclusion,
    _package,
    _php,
    _wordpress,
    _file_mods,
    _version_control,
    _writable,
    _filesystem,
    _disk,
    _rollback,
    _auto_updates,
    _held,
)
# Those whose answer can change without new site data.
_PASSING_RULES: tuple[_Rule, ...] = (_connection, _incident, _report_age, _held)

# All codes of a verdict. A test checks that pages have a text for each.
CODES = (
    "no_update_available", "not_newer", "not_updatable", "is_siteagent", "not_connected",
    "quarantined",
    "open_incident", "no_report", "stale_report", "paused_by_owner", "permission_unknown",
    "permission_off", "excluded_by_owner", "not_a_patch_release", "release_unclear", "no_package",
    "requires_php", "requires_php_untold", "requires_wp", "requires_wp_untold",
    "file_mods_untold", "file_mods_off", "version_control_untold", "version_controlled",
    "writable_untold", "not_writable", "filesystem_untold", "filesystem", "disk_full",
    "rollback_untold", "no_rollback", "auto_update_untold", "auto_update", "held",
)  # fmt: skip
