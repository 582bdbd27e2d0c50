"""Check the report in a site's answer, and turn it into the rows that are stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.inventory import report_schema, update_limits
from app.domain.inventory.report_schema import Checked, ReportInvalid
from app.protocol import ProtocolError, canonical

_LISTS = {"plugin": "plugins", "theme": "themes", "mu_plugin": "mu_plugins", "dropin": "dropins"}
# Available updates are listed separately from the components.
_UPDATE_LISTS = {"plugin": "plugins", "theme": "themes"}
_LATEST_MOMENT = 253402300799  # the last second of the year 9999


@dataclass(frozen=True)
class AcceptedReport:
    """Valid site data, ready to be stored.

    `components` are the columns of their rows, `limits` what is stored of the owner's limits.
    """

    digest: str
    checked: Checked
    taken_at: datetime
    components: list[dict[str, Any]]
    limits: dict[str, Any] | None


def read_answer(document: dict[str, Any], known: str | None) -> AcceptedReport | None:
    """Return the checked report in an answer; None if the site says that nothing changed.

    `known` is the digest of the stored report.
    """
    digest = document.get("digest")
    if document.get("unchanged") is True:
        if known is None or digest != known:
            raise ReportInvalid("digest", "says unchanged, but of other site data")
        return None
    report = document.get("report")
    if not isinstance(report, dict):
        raise ReportInvalid("report", "is not an object")
    if digest != digest_of(report):
        raise ReportInvalid("digest", "is not the digest of this site data")
    if digest == known:
        return None
    checked = report_schema.check(report)
    taken_at = _moment(checked.document["taken_at"])
    return AcceptedReport(
        digest=digest,
        checked=checked,
        taken_at=taken_at,
        components=_components(checked.document),
        limits=update_limits.read_limits(checked.document),
    )


def digest_of(report: dict[str, Any]) -> str:
    """Return the digest both sides use for a report: all of it except the time it was taken."""
    timeless = {key: value for key, value in report.items() if key != "taken_at"}
    try:
        return hashlib.sha256(canonical(timeless)).hexdigest()
    except ProtocolError as why:
        raise ReportInvalid("report", why.detail) from why


def _components(document: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for kind, place in _LISTS.items():
        named = document.get("updates", {}).get(_UPDATE_LISTS.get(kind, ""), [])
        updates = {
            update["id"]: update for update in named if update.get("id") and update.get("version")
        }
        listed = document.get(place, [])
        if len({item["id"] for item in listed}) != len(listed):
            raise ReportInvalid(place, "names one component twice")
        rows += [_component(kind, item, updates.get(item["id"])) for item in listed]
    if len(rows) > report_schema.MAX_ITEMS:
        raise ReportInvalid("components", f"are {len(rows)}, more than {report_schema.MAX_ITEMS}")
    return rows


def _component(kind: str, item: dict[str, Any], update: dict[str, Any] | None) -> dict[str, Any]:
    update = update or {}
    return {
        "kind": kind,
        "ident": item["id"],
        "name": item.get("name") or item["id"],
        "version": item.get("version", ""),
        "active": item.get("active", kind in ("mu_plugin", "dropin")),
        "network_active": item.get("network_active", False),
        "auto_update": item.get("auto_update", False),
        "author": item.get("author", ""),
        "parent": item.get("parent"),
        "requires_wp": item.get("requires_wp", ""),
        "requires_php": item.get("requires_php", ""),
        "update_uri": item.get("update_uri", ""),
        "update_version": update.get("version"),
        "update_has_package": update.get("package"),
        "update_requires_wp": update.get("requires_wp", ""),
        "update_requires_php": update.get("requires_php", ""),
    }


def _moment(seconds: int) -> datetime:
    if not 0 <= seconds <= _LATEST_MOMENT:
        raise ReportInvalid("taken_at", "is not a valid time")
    return datetime.fromtimestamp(seconds, UTC)
