"""What Aura knows, how long it keeps it, and how to get or erase it."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from app.config import Config
from app.domain.accounts import login_throttle, one_time_links, sessions
from app.domain.audit import export, verification
from app.domain.inventory import report_schema, site_sync, update_backlog
from app.domain.mail import outbox
from app.domain.page_checks import screenshots
from app.domain.uptime import upkeep
from app.domain.webhooks import outbox as webhook_outbox
from app.formats import counted
from app.views.authorization import require_permission
from app.views.filters import span

bp = Blueprint("privacy", __name__)


@bp.get("/settings/privacy")
@require_permission("see")
def show() -> ResponseReturnValue:
    config = current_app.config["AURA"]
    return render_template(
        "settings/privacy.html",
        kept=_kept(config),
        has_browser=config.chromium is not None,
        asks_wordpress_org=config.asks_wordpress_org,
        asks_registries=config.asks_registries,
        field_count=len(report_schema.fields()),
        email_is_on=outbox.is_on(),
    )


def _kept(config: Config) -> list[tuple[str, str, str]]:
    """Return each kind of data, how long Aura keeps it, and why. The code has the same numbers."""
    return [*_kept_of_sites(config), *_kept_of_people(), *_kept_of_messages()]


def _kept_of_sites(config: Config) -> list[tuple[str, str, str]]:
    return [
        ("Data of a site", "The last sync only, until the site is removed", "Pages, updates"),
        ("Results of syncs", _days(site_sync.KEPT_FOR), "To find out since when a site fails"),
        (
            "Calls to sites: time, operation, result and duration",
            f"{config.call_log_days} days",
            "Evidence; the audit log counts them permanently",
        ),
        ("Number of checks of each site, by day", "As long as Aura exists", "Client reports"),
        ("Checks of front pages: time, result and duration", _days(upkeep.CHECKS_KEPT), "Uptime"),
        ("Uptime of each site, by hour", _days(upkeep.HOURS_KEPT), "The chart of response times"),
        (
            "Uptime of each site, by day, and its outages",
            "As long as Aura exists",
            "Client reports",
        ),
        (
            "Number of available updates of each site, by day",
            f"{update_backlog.DAYS} days",
            "Overview",
        ),
        (
            "Packages of plugins and themes from WordPress.org",
            f"The newest {config.package_cache_mb} MB",
            "To compare what sites install",
        ),
        (
            "Screenshots of pages before and after updates, where a browser is installed",
            _days(screenshots.KEPT_FOR),
            "To compare pages",
        ),
        (
            "Known vulnerabilities of what sites have",
            "Until the next list, or until the site is removed",
            "To show which updates are urgent",
        ),
        (
            "What WordPress.org says of plugins and themes, with their owners",
            "As long as a site has them; changes as long as Aura exists",
            "To notice new owners",
        ),
    ]


def _kept_of_people() -> list[tuple[str, str, str]]:
    return [
        ("Audit log", "As long as Aura exists", "Evidence; entries are never deleted"),
        (
            "Names, IP addresses and comments in the audit log",
            "Until you erase them",
            "Who did what",
        ),
        ("Accounts and their second factors", "Until you erase them", "To sign in"),
        (
            "Sessions",
            f"{_span(sessions.IDLE_TIMEOUT)} without use, at most "
            f"{_span(sessions.MAX_LIFETIME)}; their record {_days(sessions.RETENTION)}",
            "To show where a person is signed in",
        ),
        ("Failed sign-ins", _span(login_throttle.FAILURE_RETENTION), "To slow down guessing"),
        ("Links to choose a password", _days(one_time_links.INVITATION_MAX_AGE), "Invitations"),
    ]


def _kept_of_messages() -> list[tuple[str, str, str]]:
    return [
        ("Files of exports", _days(export.KEPT_FOR), "To download them"),
        ("Results of audit log checks", _days(verification.KEPT_FOR), "To see that they ran"),
        ("Failed jobs, by number only", "7 days", "To find the cause"),
        (
            "Messages by e-mail, with the answer of the mail server",
            _days(outbox.KEPT_FOR),
            "To see what was sent",
        ),
        (
            "Messages to webhooks, with the beginning of the reply",
            _days(webhook_outbox.KEPT_FOR),
            "To see what was sent",
        ),
        ("Reports sent to clients", "Until the client is deleted", "To see what was sent"),
        ("Notes and contacts", "Until you change them", "Your own work"),
        ("Backups", "As your backup script decides", "Erase or wait them out yourself"),
    ]


def _days(time: timedelta) -> str:
    return counted(time.days, "day")


def _span(time: timedelta) -> str:
    return span(int(time.total_seconds()))
