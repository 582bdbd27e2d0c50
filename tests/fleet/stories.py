"""The stories of single sites, one for each role."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from app.domain import alerts
from app.domain.changes.proposals import Window
from app.domain.connection import pairing, revocation, rotation
from app.domain.diagnostics import runs
from app.domain.sites import holds
from app.models.alerts import Alert
from app.models.changes import Change
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.protocol import b64u
from tests.fleet import catalog
from tests.fleet.fleet import Fleet, Website
from tests.support.factories import limits

# The client approves updates of the first role's site, two people those of the second.
FIXED_ROLES = ("pending_at_client", "pending_second_person")
# Small fleets get the first ones of these.
ROLES = (
    "silent",
    "rolled_back",
    "copy",
    "pending",
    "unknown_call",
    "firewall",
    "failed",
    "scheduled",
    "lost",
    "maintenance",
    "approval_on_site",
    "missing_call",
    "ignored",
    "renewed",
    "paused_by_owner",
    "limited_by_owner",
    "revoked",
    "updated_today",
    "explained",
    "rolled_back",
    "tested",
    "ignored",
    "updated_today",
    "silent",
    "other_package",
)
# These are not paired at the end, so they join late or never.
UNPAIRED_ROLES = ("waiting", "new")
_TROUBLES = ("silent", "maintenance", "firewall")
_WEEKS = timedelta(weeks=6)


def plan_stories(fleet: Fleet, websites: list[Website]) -> None:
    """Put each site's story on the timeline, and the last sync of all others.

    After that sync the logs of the sites are read, as after every sync of a real site.
    """
    fleet.timeline.at(fleet.ago(hours=1), fleet.timeline.lost_jobs.discard, "read_log")
    for number, website in enumerate(websites):
        if website.role in _TROUBLES:
            _plan_trouble(fleet, website, website.role)
        elif website.role in _STORIES:
            when, tell = _STORIES[website.role]
            at = fleet.ago(hours=when) - timedelta(minutes=number % 30)
            fleet.timeline.at(at, _tell, fleet, website, tell)
        if website.role not in (*_TROUBLES, *UNPAIRED_ROLES, "revoked"):
            minutes = 4 + number * 50 / len(websites)
            fleet.timeline.at(fleet.ago(minutes=minutes), _last_sync, fleet, website)


def _site(website: Website) -> Site:
    return Site.get(Site.url == website.home, Site.forgotten_at.is_null())


def _tell(fleet: Fleet, website: Website, tell: Callable[[Fleet, Site], None]) -> None:
    tell(fleet, _site(website))


def is_kept(fleet: Fleet, website: Website) -> bool:
    """Return whether the owner of this ordinary site updates it without Aura."""
    return not website.role and fleet.dice(f"kept:{website.name}").random() < 0.6


def _last_sync(fleet: Fleet, website: Website) -> None:
    """Sync a site. The owners of more than half of the ordinary sites update them."""
    site = _site(website)
    if is_kept(fleet, website):
        fleet.sites[site.id].install_everything_in_wp_admin()
    fleet.sync(site)


def plan_unpaired(fleet: Fleet, websites: list[Website]) -> None:
    """Add a site that waits for its token to be pasted, and one that was only added."""
    for website in websites:
        if website.role == "waiting":
            fleet.timeline.at(fleet.ago(minutes=5), _wait_for_token, fleet, website)
        else:
            fleet.timeline.at(fleet.ago(hours=21), fleet.add, website)


def _wait_for_token(fleet: Fleet, website: Website) -> None:
    site = fleet.add(website)
    _, text = pairing.issue_token(site, by=fleet.operator, config=fleet.config, now=fleet.clock())
    fleet.open_token = (website.home, text)


# ---- connections ----


def _plan_trouble(fleet: Fleet, website: Website, trouble: str) -> None:
    """Break a site during the day, and call it every hour afterwards."""
    hours = fleet.dice(f"trouble:{website.name}").randrange(3, 7)

    def begin() -> None:
        fleet.sites[_site(website).id].trouble = trouble

    fleet.timeline.at(fleet.ago(hours=hours + 0.6), _last_sync, fleet, website)
    fleet.timeline.at(fleet.ago(hours=hours + 0.3), begin)
    for hour in range(hours + 1):
        fleet.timeline.at(fleet.ago(hours=hour + 0.1), _last_sync, fleet, website)


def _restore_backup(fleet: Fleet, site: Site) -> None:
    """Replace the site by a copy that was made days ago."""
    log = fleet.sites[site.id].log
    del log[-2:]
    fleet.sync(site)


def _renew_keys(fleet: Fleet, site: Site) -> None:
    rotation.request_rotation(site, by=fleet.owner, config=fleet.config, now=fleet.clock())


def _revoke(fleet: Fleet, site: Site) -> None:
    revocation.revoke_access(
        site, by=fleet.owner, reason="The client moved to another agency", now=fleet.clock()
    )


def _test_connection(fleet: Fleet, site: Site) -> None:
    runs.request_diagnostics(site, by=fleet.operator, now=fleet.clock())


# ---- logs that disagree ----


def _unknown_call(fleet: Fleet, site: Site) -> None:
    """Add a call to the site's log that Aura never made."""
    nonce = b64u(fleet.dice(f"nonce:{site.name}").randbytes(16))
    fleet.sites[site.id].write("answered", operation="report", by="Aura", nonce=nonce)
    fleet.read_log(site)


def _missing_call(fleet: Fleet, site: Site) -> None:
    """Remove a call from the site's log that the site answered."""
    fleet.sites[site.id].forgets_next = True
    fleet.sync(site)
    fleet.timeline.at(fleet.clock() + timedelta(minutes=20), fleet.read_log, site)


def _explained(fleet: Fleet, site: Site) -> None:
    """Add an alert that the owner has closed."""
    _unknown_call(fleet, site)
    fleet.clock.advance(minutes=50)
    for alert in (one for one in Alert.unresolved(EVERYTHING) if one.site_id == site.id):
        alerts.close_alert(
            alert,
            by=fleet.owner,
            note="Our own test of the staging copy, which used the same keys",
            with_others=True,
            confirmed_at=fleet.clock(),
            now=fleet.clock(),
        )


# ---- updates ----


def _proposing(
    then: Callable[[Fleet, list[Change]], None], *, tonight: bool = False
) -> Callable[[Fleet, Site], None]:
    """Return a story in which an update is proposed and then continues with these steps."""

    def begin(fleet: Fleet, site: Site) -> None:
        ident = fleet.sites[site.id].fall_behind(fleet.dice(f"behind:{site.name}"))
        fleet.sync(site)
        fleet.timeline.at(fleet.clock() + timedelta(minutes=2), go_on, fleet, site, ident)

    def go_on(fleet: Fleet, site: Site, ident: str) -> None:
        found = [(site, one) for one in fleet.possible(site) if one.target.ident == ident]
        now = fleet.clock()
        night = fleet.ago(days=-1).replace(hour=2, minute=0, second=0, microsecond=0)
        window = Window(night, night + timedelta(hours=4)) if tonight else None
        reason = fleet.dice(f"why:{site.name}").choice(catalog.PROPOSED_BECAUSE)
        batch = fleet.propose(found, reason, window)
        fleet.timeline.at(now + timedelta(minutes=3), then, fleet, batch)

    return begin


def _leave(fleet: Fleet, batch: list[Change]) -> None:
    """Leave the update waiting for approval."""


def _approve(fleet: Fleet, batch: list[Change]) -> None:
    fleet.decide(batch)


def _ending(outcome: str, reason: str = "") -> Callable[[Fleet, list[Change]], None]:
    def end(fleet: Fleet, batch: list[Change]) -> None:
        for change in batch:
            fleet.play(change, outcome, reason)
        fleet.decide(batch)

    return end


def _offer_other_package(fleet: Fleet, batch: list[Change]) -> None:
    """Offer the site other files under the same version after the approval."""
    for change in batch:
        fleet.sites[change.site_id].changes.offers_other_packages = True
    fleet.decide(batch)


def _ask_owner(fleet: Fleet, site: Site) -> None:
    fleet.sites[site.id].report["agent"]["approval_on_site"] = True
    _proposing(_approve)(fleet, site)


def _pause_by_owner(fleet: Fleet, site: Site) -> None:
    at = int(fleet.clock().timestamp())
    agent = fleet.sites[site.id].report["agent"]
    agent["limits"] = limits(paused_at=at, reason="Photo shoot for the new collection")


def _limit_by_owner(fleet: Fleet, site: Site) -> None:
    """Allow updates on weekday nights only, and exclude one plugin, as the owner."""
    fake = fleet.sites[site.id]
    fake.report["agent"]["limits"] = limits(days=(1, 2, 3, 4, 5), hours=(1, 5))
    ident = fake.fall_behind(fleet.dice(f"limits:{site.name}"))
    excluded = next(one for one in fake.report["plugins"] if one["id"] == ident)
    excluded["releases"] = "none"


def _ignore(fleet: Fleet, site: Site) -> None:
    dice = fleet.dice(f"ignore:{site.name}")
    ident = fleet.sites[site.id].fall_behind(dice)
    until = fleet.clock() + _WEEKS if dice.random() < 0.5 else None
    holds.hold_updates(
        [site],
        "plugin",
        ident,
        until=until,
        reason=dice.choice(catalog.IGNORED_BECAUSE),
        by=fleet.operator,
        now=fleet.clock(),
    )


# How many hours before the end each story begins.
_STORIES: dict[str, tuple[float, Callable[[Fleet, Site], None]]] = {
    "copy": (8, _restore_backup),
    "renewed": (11 * 24, _renew_keys),
    "revoked": (5 * 24, _revoke),
    "tested": (6, _test_connection),
    "unknown_call": (19, _unknown_call),
    "missing_call": (14, _missing_call),
    "explained": (12 * 24, _explained),
    "ignored": (40, _ignore),
    "paused_by_owner": (12 * 24, _pause_by_owner),
    "limited_by_owner": (9 * 24, _limit_by_owner),
    "pending": (3, _proposing(_leave)),
    "pending_at_client": (20, _proposing(_leave)),
    "pending_second_person": (5, _proposing(_leave)),
    "scheduled": (4, _proposing(_approve, tonight=True)),
    "approval_on_site": (2, _ask_owner),
    "updated_today": (7, _proposing(_ending("succeeded"))),
    "rolled_back": (9, _proposing(_ending("rolled_back", "fatal_after"))),
    "other_package": (16, _proposing(_offer_other_package)),
    "failed": (12, _proposing(_ending("failed", "version_wrong_after"))),
    "lost": (3, _proposing(_ending("killed"))),
}
