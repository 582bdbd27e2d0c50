"""The index of the settings: one page that leads to each of them."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, current_app, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from app.domain import permissions
from app.domain.errors import NotFound
from app.domain.inventory.version_spread import wordpress_spread
from app.views.authorization import current_visibility, require_permission

bp = Blueprint("settings", __name__)


@dataclass(frozen=True)
class Setting:
    """A page of settings, and who may open it; some need to see all clients."""

    endpoint: str
    label: str
    description: str
    symbol: str
    permission: str
    needs_everything: bool = False

    @property
    def path(self) -> str:
        return url_for(self.endpoint)


SETTINGS = (
    Setting(
        "account.show",
        "Your account",
        "Theme, time zone, password, second factor and sessions",
        "user",
        "account",
    ),
    Setting(
        "notifications.show",
        "Notifications",
        "What Aura sends you by e-mail, quiet hours, clients",
        "bell",
        "account",
    ),
    Setting(
        "agency.show",
        "Agency",
        "Name, logo, color and time zone of your agency",
        "building-2",
        "agency",
    ),
    Setting("team.index", "Team", "Invite people, change roles, end access", "users", "people"),
    Setting("email.show", "E-mail", "Server, test message, last messages", "mail", "email"),
    Setting(
        "webhooks.index",
        "Webhooks",
        "Slack, Microsoft Teams and your own programs, and what was delivered",
        "external-link",
        "webhooks",
    ),
    Setting(
        "auto_update_rules.index",
        "Auto-update rules",
        "Updates that run without asking, and who approves the rest",
        "circle-arrow-up",
        "overview",
    ),
    Setting(
        "windows.show",
        "Windows and freezes",
        "When updates may run, days without updates, and a stop for all of them",
        "clock",
        "overview",
    ),
    Setting(
        "vulnerability_feed.show",
        "Known vulnerabilities",
        "Your key for Wordfence Intelligence, or a file to import",
        "shield-check",
        "vulnerability_feed",
    ),
    Setting(
        "exports.index",
        "Audit log exports",
        "For an auditor, a spreadsheet or another program",
        "download",
        "export",
    ),
    Setting(
        "privacy.show",
        "Data and privacy",
        "What leaves a site, how long it is kept, exports, erasing",
        "eye",
        "see",
    ),
    Setting(
        "security.show",
        "Security",
        "Accounts, second factors, sessions, keys and server passwords",
        "shield-check",
        "security",
    ),
    Setting(
        "single_sign_on.show",
        "Single sign-on",
        "Sign in with Google, Microsoft or another OpenID provider",
        "external-link",
        "security",
    ),
    Setting(
        "system.show",
        "System",
        "Version, database, queue, backup and disk",
        "server",
        "overview",
        needs_everything=True,
    ),
)


@bp.get("/settings")
@require_permission("see")
def index() -> ResponseReturnValue:
    """List the settings that this user may open."""
    role = current_user.role
    sees_everything = current_visibility().is_everything
    allowed = [
        setting
        for setting in SETTINGS
        if permissions.is_allowed(role, setting.permission)
        and (sees_everything or not setting.needs_everything)
    ]
    return render_template("settings/index.html", settings=allowed)


@bp.get("/style")
@require_permission("see")
def style() -> ResponseReturnValue:
    """Show every part of the design system; only while developing."""
    if not current_app.config["AURA"].is_development:
        raise NotFound("This page is available with AURA_DEVELOPMENT=1.")
    sample = wordpress_spread({"7.1.4": 44, "7.1.3": 13, "7.0": 3})
    return render_template("style/index.html", sample_spread=sample)
