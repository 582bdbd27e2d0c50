"""What a site's owner excluded since an update was proposed, as far as the last sync reported it.

The site enforces it in any case. Aura refuses earlier, so that no person approves in vain.
"""

from __future__ import annotations

import json
from typing import Any

from app.domain.inventory import eligibility
from app.domain.inventory.targets import ALL_RELEASES
from app.models.changes import Change
from app.models.reports import Report
from app.models.sites import Site

# By kind of a change, the list of the site data that says which releases the owner allows.
_PLACES = {"plugin": "plugins", "siteagent": "plugins", "theme": "themes"}
_SENTENCES = {
    "excluded_by_owner": "The owner of %(site)s has excluded %(name)s from updates.",
    "not_a_patch_release": (
        "The owner of %(site)s allows only patch releases of %(name)s, and %(version)s is not one."
    ),
    "release_unclear": (
        "The owner of %(site)s allows only patch releases of %(name)s, and %(version)s does not "
        "show whether it is one."
    ),
}
_NEXT_STEP = (
    "Ask them to change it in wp-admin, under Settings → SiteAgent → Pause and limits, "
    "or cancel this update."
)


def why_excluded(change: Change, site: Site) -> str:
    """Return why the site's owner would refuse the change, and the next step; empty if not."""
    place, report = _PLACES.get(change.kind), Report.of(site)
    if place is None or report is None:
        return ""
    listed = json.loads(report.body).get(place, [])
    component: dict[str, Any] = next((one for one in listed if one["id"] == change.ident), {})
    releases = component.get("releases", ALL_RELEASES)
    reason = eligibility.reason_of_owner(releases, change.from_version, change.to_version)
    if reason is None:
        return ""
    facts = {"site": site.name, "name": change.name, "version": change.to_version}
    return f"{_SENTENCES[reason.code] % facts} {_NEXT_STEP}"
