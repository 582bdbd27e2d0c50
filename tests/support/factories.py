"""Make the users, sites and site reports of tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from app.config import Config
from app.domain.accounts import passwords
from app.domain.actor import Actor
from app.domain.changes import approvals, dry_run, execution, proposals
from app.domain.changes.proposals import UpdateRequest, Window
from app.domain.connection import pairing
from app.domain.crosscheck import site_log
from app.domain.inventory import site_sync
from app.domain.inventory.eligibility import PERMISSIONS
from app.domain.sites import sites
from app.models.accounts import User
from app.models.base import utcnow
from app.models.changes import Change
from app.models.reports import Sync
from app.models.sites import Site
from tests.support.fakes import FakeSite

URL = "https://bakery.example"
AKISMET = "akismet/akismet.php"
PASSWORD = "correct horse battery staple"


@cache
def usual_window(now: datetime) -> Window:
    """Return a window of the next three days, the default of the form."""
    return Window(now, now + timedelta(days=3))


def a_hash() -> str:
    """Return the hash of PASSWORD, made once because hashing is slow."""
    return passwords.hash_password(PASSWORD)


def make_user(name: str, role: str, **changes: Any) -> User:
    """Create a user who signs in with PASSWORD."""
    columns = {
        "name": name,
        "email": f"{name.lower()}@agency.example",
        "password_hash": a_hash(),
        "role": role,
        "session_epoch": 1,
        "created_at": utcnow(),
    }
    return User.create(**{**columns, **changes})


def make_site(
    by: Actor, *, now: datetime, url: str = URL, name: str = "Bakery", **more: str
) -> Site:
    return sites.add_site(name=name, url=url, client_name=more.get("client", ""), by=by, now=now)


def pair(site: Site, fake: FakeSite, *, by: Actor, config: Config) -> Site:
    """Pair the site. The first sync is still to be run."""
    token, text = pairing.issue_token(site, by=by, config=config, now=fake.clock())
    fake.paste(text)
    assert (
        pairing.attempt_pairing(token.id, config=config, call=fake.call, now=fake.clock) == "used"
    )
    site.refresh()
    return site


def read_report(site: Site, fake: FakeSite, *, config: Config) -> Sync:
    """Run the sync that is open for this site, or a new one."""
    sync = Sync.open_for(site) or Sync.ask(site, requested_by="Ana", now=fake.clock())
    site_sync.run_sync(sync.id, config=config, call=fake.call, now=fake.clock)
    site.refresh()
    return Sync.get_by_id(sync.id)


def propose(
    site: Site, by: Actor, now: datetime, ident: str = AKISMET, to: str = "5.3.1", **more: Any
) -> Change:
    """Propose an update of one plugin. The pre-check is still to be run."""
    requests = [UpdateRequest(site, more.pop("kind", "plugin"), ident, to)]
    terms = {"reason": "", "window": usual_window(now), **more}
    return proposals.create_proposals(requests, by=by, now=now, requested_at=now, **terms)[0]


def check(change: Change, fake: FakeSite, config: Config) -> Change:
    """Run the pre-check, as the worker does."""
    dry_run.run_dry_run(change.id, config=config, call=fake.call, now=fake.clock)
    change.refresh()
    return change


def approve(change: Change, by: Actor, config: Config, now: datetime) -> Change:
    """Approve the current proposals, by a user who has just typed the password."""
    approvals.approve_changes(
        [change], by=by, seen={change.id: change.digest}, confirmed_at=now, config=config, now=now
    )
    change.refresh()
    return change


def run_change(change: Change, fake: FakeSite, config: Config) -> str:
    """Run a queued change, as the worker does."""
    state = execution.run_change(
        change.id, config=config, call=fake.call, look=fake.look, now=fake.clock
    )
    change.refresh()
    return state


def plugin(ident: str = "akismet/akismet.php", **changes: Any) -> dict[str, Any]:
    return {
        "id": ident,
        "name": "Akismet",
        "version": "5.3",
        "active": True,
        "network_active": False,
        "auto_update": False,
        "author": "Automattic",
        "requires_wp": "5.8",
        "requires_php": "5.6.20",
        "update_uri": "",
        "releases": "all",
        "vcs": False,
        "writable": True,
        **changes,
    }


def theme(ident: str = "twentytwentyfour", **changes: Any) -> dict[str, Any]:
    return {**plugin(ident, name="Twenty Twenty-Four", version="1.0"), "parent": None} | changes


def report(**changes: Any) -> dict[str, Any]:
    """Return the site report of a small, healthy WordPress with one outdated plugin."""
    component = plugin()
    one_theme = theme()
    one_theme.pop("network_active")
    return {
        "v": 1,
        "taken_at": 1795463815,
        "wordpress": {
            "version": "6.8.1",
            "locale": "de_DE",
            "multisite": False,
            "environment": "production",
            "debug": False,
            "home": URL,
            "site_url": URL,
        },
        "php": {
            "version": "8.2.36",
            "memory_limit": "256M",
            "max_execution_time": 30,
            "extensions_missing": ["imagick"],
        },
        "database": {"server": "MariaDB", "version": "10.11.6"},
        "server": {"software": "nginx/1.22"},
        "plugins": [component],
        "themes": [one_theme],
        "mu_plugins": [{"id": "loader.php", "name": "Loader", "version": "1", "author": ""}],
        "dropins": [{"id": "object-cache.php", "name": "Cache", "version": "2"}],
        "updates": {
            "plugins": [
                {
                    "id": component["id"],
                    "version": "5.3.1",
                    "requires_wp": "5.8",
                    "requires_php": "7.2",
                    "package": True,
                }
            ],
            "themes": [],
            "translations": [],
            "core": [],
            "checked_at": {"plugins": 1795460000, "themes": None, "core": 1795460000},
        },
        "health": {
            "tests": [{"test": "https_status", "status": "good", "label": "HTTPS"}],
            "https": True,
            "cron_overdue": 0,
            "disk_free": None,
            "filesystem": "direct",
            "file_mods": True,
            "auto_updater": True,
            "auto_updates": {
                "core_minor": False,
                "core_major": False,
                "core_dev": False,
                "translations": False,
            },
        },
        "agent": {
            "permissions": dict.fromkeys(PERMISSIONS, True),
            "approval_on_site": False,
            "limits": limits(),
            "rollback": True,
        },
        **changes,
    }


def limits(
    *,
    paused_at: int | None = None,
    reason: str = "",
    days: tuple[int, ...] = (),
    hours: tuple[int, int] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Return the update limits of a site's owner. By default there are none."""
    from_hour, to_hour = hours or (None, None)
    window = {"days": list(days), "from_hour": from_hour, "to_hour": to_hour}
    return {
        "paused": paused_at is not None,
        "read_only": False,
        "paused_at": paused_at,
        "reason": reason,
        "window": {**window, "time_zone": "Europe/Berlin"},
        **changes,
    }


def read_log(site: Site, fake: FakeSite, config: Config) -> str:
    """Read the site's log, as the worker does."""
    state = site_log.read_site_log(site.id, config=config, call=fake.call, now=fake.clock)
    site.refresh()
    return state
