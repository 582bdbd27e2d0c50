"""What could be updated on a site, and whether it may: the report as it is stored, judged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.changes.eligibility import ActiveHold, SiteFacts, Target, Verdict, evaluate, kind_of
from app.domain.changes.versions import available_updates
from app.models.auto_update_rules import Held
from app.models.changes import Change
from app.models.reports import Component, Report
from app.models.sites import ACTIVE, Site

# A translation's place in the report, as a step names it: WordPress's own is "default".
_CORE_SLUG = "default"
_PLACES = {"plugin": "plugins", "theme": "themes"}


@dataclass(frozen=True)
class Candidate:
    """A component, whether it may be updated, and the change of it that is under way."""

    target: Target
    verdict: Verdict
    open_change: Change | None
    held: Held | None

    def is_named(self, kind: str, ident: str, to: str) -> bool:
        return (self.target.kind, self.target.ident, self.target.offered) == (kind, ident, to)

    @property
    def may_be_proposed(self) -> bool:
        return self.verdict.may and self.open_change is None


def candidates_on_site(site: Site, now: datetime) -> list[Candidate]:
    """Everything the site reports, in the report's order."""
    report = Report.of(site)
    document = json.loads(report.body) if report else {}
    around = _site_facts(site, report, document)
    holds, under_way = Held.of_site(site), Change.open_of(site)
    found = []
    for target in _targets(site, document):
        key = (target.kind, target.ident)
        held = holds.get(key)
        hold = ActiveHold(held.reason, held.until) if held else None
        verdict = evaluate(target, around, hold, now)
        found.append(Candidate(target, verdict, under_way.get(key), held))
    return found


def count_available_updates(site: Site) -> int:
    """How many updates are available on a site, by what it reported last."""
    report = Report.of(site)
    document = json.loads(report.body) if report else {}
    return sum(available_updates(_targets(site, document)).values())


def find_candidates(site: Site, kind: str, ident: str, to: str, now: datetime) -> Candidate | None:
    """The candidate of that name, on its way to that version; None if it is not offered."""
    return next(
        (one for one in candidates_on_site(site, now) if one.is_named(kind, ident, to)), None
    )


def asks_there(site: Site) -> bool | None:
    """Whether the site's owner approves every change in wp-admin as well; None: not told."""
    report = Report.of(site)
    said = _agent(json.loads(report.body)).get("approval_here") if report else None
    return said if isinstance(said, bool) else None


def _agent(document: dict[str, Any]) -> dict[str, Any]:
    return document.get("agent") or {}


def _site_facts(site: Site, report: Report | None, document: dict[str, Any]) -> SiteFacts:
    health, agent = document.get("health") or {}, _agent(document)
    return SiteFacts(
        is_connected=site.state == ACTIVE,
        is_quarantined=bool(site.quarantine),
        has_incident=Change.has_incident(site),
        # Unchanged counts: the site said so, signed, when it was asked last.
        report_at=report.received_at if report else None,
        wordpress=(document.get("wordpress") or {}).get("version", ""),
        php=(document.get("php") or {}).get("version", ""),
        scopes=agent.get("scopes") or {},
        rollback=agent.get("rollback"),
        file_mods=health.get("file_mods"),
        filesystem=health.get("filesystem", ""),
        disk_free=health.get("disk_free"),
        auto_updater=health.get("auto_updater"),
    )


def _targets(site: Site, document: dict[str, Any]) -> list[Target]:
    folders = {
        (kind, one["id"]): one for kind, place in _PLACES.items() for one in document.get(place, [])
    }
    listed = [
        _component(one, folders.get((one.kind, one.ident), {})) for one in Component.for_site(site)
    ]
    updates = document.get("updates") or {}
    translations = [_translation(one) for one in updates.get("translations", [])]
    return [*listed, *translations, *_core(document)]


def _component(one: Component, folder: dict[str, Any]) -> Target:
    return Target(
        kind=kind_of(one.kind, one.ident),
        ident=one.ident,
        name=one.name or one.ident,
        version=one.version,
        offered=one.offered_version,
        active=one.active,
        package=one.offered_package,
        requires_wp=one.offered_requires_wp,
        requires_php=one.offered_requires_php,
        auto_update=one.auto_update,
        version_controlled=folder.get("vcs"),
        writable=folder.get("writable"),
    )


def translation_ident(one: dict[str, Any]) -> str:
    """How a step names a translation of the report: `plugin:akismet:de_DE`."""
    slug = _CORE_SLUG if one.get("type") == "core" else one.get("slug", "")
    return f"{one.get('type', '')}:{slug}:{one.get('language', '')}"


def _translation(one: dict[str, Any]) -> Target:
    """Translations carry no version of their own; their stamps say which is newer."""
    name = "WordPress" if one.get("type") == "core" else one.get("slug", "")
    return Target(
        kind="translation",
        ident=translation_ident(one),
        name=f"{name} ({one.get('language', '')})",
        version=one.get("installed", ""),
        offered=one.get("updated"),
        active=True,
        package=True,
        auto_update=one.get("auto_update"),
    )


def _core(document: dict[str, Any]) -> list[Target]:
    """Each WordPress on offer as a target of its own; the nearest first, as the site lists them."""
    offers = (document.get("updates") or {}).get("core", [])
    version = (document.get("wordpress") or {}).get("version", "")
    by_itself = (document.get("health") or {}).get("auto_updates") or {}
    return [
        Target(
            kind="core",
            ident="core",
            name="WordPress",
            version=version,
            offered=one.get("version"),
            active=True,
            package=one.get("package"),
            requires_php=one.get("requires_php", ""),
            auto_update=by_itself.get(_release(version, one)),
        )
        for one in offers
    ]


def _release(version: str, offer: dict[str, Any]) -> str:
    """What WordPress calls this step when it decides whether to take it by itself."""
    if "-" in version and offer.get("kind") == "minor":
        return "core_dev"
    return f"core_{offer.get('kind', '')}"
