"""Permissions: each role opens exactly the routes it should. Add new routes here."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest

from app.domain import permissions
from app.factory import create_app
from app.models.accounts import ROLES
from app.views.authorization import OPEN, require_permission
from tests.support.browsers import signed_in

# The permission that each endpoint needs.
NEEDS = {
    "account.show": "account",
    "account.change_password": "account",
    "account.change_preferences": "account",
    "account.end_session": "account",
    "account.end_other_sessions": "account",
    "account.verify": "account",
    "second_factors.show": "account",
    "second_factors.begin_app": "account",
    "second_factors.show_app": "account",
    "second_factors.confirm_app": "account",
    "second_factors.remove_app": "account",
    "second_factors.begin_passkey": "account",
    "second_factors.new_passkey": "account",
    "second_factors.new_passkey_options": "account",
    "second_factors.add_passkey": "account",
    "second_factors.remove_passkey": "account",
    "second_factors.confirm_options": "account",
    "second_factors.renew_codes": "account",
    "second_factors.show_codes": "account",
    "notifications.show": "account",
    "notifications.change": "account",
    "overview.index": "see",
    "search.index": "see",
    "system.show": "overview",
    "privacy.show": "see",
    "security.show": "security",
    "security.renew_keys": "security",
    "single_sign_on.show": "security",
    "single_sign_on.change": "security",
    "single_sign_on.remove": "security",
    "security.require_second_factor": "security",
    "vulnerabilities.index": "overview",
    "vulnerabilities.export": "overview",
    "vulnerabilities.review": "propose",
    "file_checks.export": "overview",
    "file_checks.accept": "approve",
    "file_checks.withdraw": "propose",
    "vulnerability_feed.show": "vulnerability_feed",
    "vulnerability_feed.set_key": "vulnerability_feed",
    "vulnerability_feed.remove_key": "vulnerability_feed",
    "vulnerability_feed.fetch": "vulnerability_feed",
    "vulnerability_feed.import_file": "vulnerability_feed",
    "email.show": "email",
    "email.change": "email",
    "email.remove": "email",
    "email.send_test": "email",
    "email.messages": "email",
    "email.message": "email",
    "email.progress": "email",
    "email.resend": "email",
    "webhooks.index": "webhooks",
    "webhooks.new": "webhooks",
    "webhooks.add": "webhooks",
    "webhooks.show": "webhooks",
    "webhooks.log": "webhooks",
    "webhooks.edit": "webhooks",
    "webhooks.change": "webhooks",
    "webhooks.replace_secret": "webhooks",
    "webhooks.show_secret": "webhooks",
    "webhooks.send_test": "webhooks",
    "webhooks.turn_off": "webhooks",
    "webhooks.turn_on": "webhooks",
    "webhooks.remove": "webhooks",
    "webhooks.resend": "webhooks",
    "agency.show": "agency",
    "agency.change": "agency",
    "agency.upload_logo": "agency",
    "agency.remove_logo": "agency",
    "windows.show": "overview",
    "windows.stop": "halt",
    "windows.start": "lift",
    "windows.add_freeze": "halt",
    "windows.end_freeze": "lift",
    "windows.set_window": "lift",
    "windows.remove_window": "lift",
    "settings.index": "see",
    "settings.style": "see",
    "alerts.index": "audit",
    "alerts.show": "audit",
    "alerts.close": "approve",
    "alerts.read_log": "sync",
    "reports.show": "see",
    "reports.pdf": "see",
    "client_reports.index": "see",
    "client_reports.show": "see",
    "client_reports.download": "see",
    "client_reports.preview": "reports",
    "client_reports.edit_schedule": "reports",
    "client_reports.change_schedule": "reports",
    "client_reports.change_note": "reports",
    "client_reports.send": "reports",
    "client_reports.discard": "reports",
    "audit.entry": "see",
    "exports.index": "export",
    "exports.make": "export",
    "exports.progress": "export",
    "exports.download": "export",
    "audit.index": "audit",
    "audit.site": "audit",
    "calls.site": "audit",
    "audit.verification_page": "audit",
    "audit.verify": "audit",
    "audit.progress": "audit",
    "audit.seen": "security",
    "connections.rotate": "keys",
    "connections.follow": "keys",
    "connections.server_login": "keys",
    "connections.keep_server_login": "keys",
    "updates.index": "see",
    "updates.batches": "see",
    "updates.blocked": "overview",
    "updates.review": "propose",
    "updates.ignore": "propose",
    "site_pages.add": "pair",
    "site_pages.change": "pair",
    "site_pages.edit": "pair",
    "site_pages.look": "sync",
    "site_pages.remove": "pair",
    "site_pages.screenshot": "see",
    "site_pages.show": "see",
    "uptime.change_settings": "pair",
    "uptime.show": "see",
    "batches.show": "see",
    "batches.progress": "see",
    "batches.approve": "decide",
    "batches.ask": "propose",
    "batches.stop": "propose",
    "rollouts.pause": "propose",
    "rollouts.resume": "decide",
    "rollouts.leave_out": "propose",
    "rollouts.end": "propose",
    "plugins.show": "overview",
    "plugins.sources": "overview",
    "plugins.accept": "auto_update_rules",
    "changes.show": "see",
    "releases.files": "see",
    "releases.difference": "see",
    "changes.progress": "see",
    "changes.approve": "decide",
    "changes.reject": "decide",
    "changes.override": "lift",
    "changes.cancel": "propose",
    "changes.close": "approve",
    "changes.answer_pages": "approve",
    "bulk_sites.change_tags": "pair",
    "bulk_sites.ignore": "propose",
    "bulk_sites.ignore_updates": "propose",
    "bulk_sites.progress": "see",
    "bulk_sites.sync": "sync",
    "bulk_sites.tags": "pair",
    "bulk_sites.updates": "propose",
    "clients.edit": "pair",
    "clients.index": "see",
    "clients.merge": "auto_update_rules",
    "clients.rename": "pair",
    "clients.set_contact": "pair",
    "clients.set_notes": "pair",
    "clients.show": "overview",
    "sites.edit": "pair",
    "sites.edit_page": "pair",
    "components.history": "see",
    "components.hold": "propose",
    "components.release": "propose",
    "components.lift": "lift",
    "diagnostics.examine": "sync",
    "diagnostics.progress": "see",
    "auth.sign_out": "account",
    "team.index": "people",
    "team.invite": "people",
    "team.renew": "people",
    "team.show_link": "people",
    "team.role": "people",
    "team.erase_page": "erase",
    "team.erase": "erase",
    "team.change_role": "people",
    "team.disable": "people",
    "team.reset_second_factor": "people",
    "team.second_factor": "people",
    "team.enable": "people",
    "auto_update_rules.index": "overview",
    "auto_update_rules.make": "auto_update_rules",
    "auto_update_rules.set_rest": "security",
    "auto_update_rules.confirm": "approve",
    "auto_update_rules.end": "approve",
    "auto_update_rules.set_approval_mode": "auto_update_rules",
    "site_csv.export": "overview",
    "site_csv.import_sites": "pair",
    "site_csv.show_import": "pair",
    "site_tabs.components": "see",
    "site_tabs.connection": "see",
    "site_tabs.health": "see",
    "site_tabs.set_notes": "pair",
    "site_tabs.updates": "see",
    "sites.index": "see",
    "sites.new": "pair",
    "sites.add": "pair",
    "sites.show": "see",
    "sites.progress": "see",
    "sites.set_tags": "pair",
    "sites.token": "pair",
    "sites.show_token": "pair",
    "sites.cancel": "pair",
    "sites.try_now": "pair",
    "sites.sync": "sync",
    "sites.revoke": "revoke",
    "sites.certificate": "see",
    "sites.forget": "revoke",
    "sites.plugin_zip": "see",
    "sites.what_leaves": "see",
}
# Signing out comes last, because it ends the session of the other requests.
ENDPOINTS = sorted(NEEDS, key=lambda endpoint: (endpoint == "auth.sign_out", endpoint))
# All permissions of each role.
ALLOWED = {
    "owner": {
        *("account", "see", "audit", "overview", "pair", "keys", "sync", "revoke"),
        *(
            "propose",
            "decide",
            "approve",
            "export",
            "export_all",
            "people",
            "erase",
            "auto_update_rules",
            "agency",
            "security",
            "email",
            "reports",
            "webhooks",
            "vulnerability_feed",
            "halt",
            "lift",
        ),
    },
    "manager": {
        *("account", "see", "audit", "overview", "pair", "keys", "sync", "revoke"),
        *("propose", "decide", "approve", "export", "people", "auto_update_rules"),
        *("reports", "halt", "lift"),
    },
    "operator": {
        *("account", "see", "audit", "overview", "pair", "keys", "sync", "revoke"),
        *("propose", "decide", "approve", "export", "reports", "halt"),
    },
    "viewer": {"account", "see", "audit", "overview"},
    "client": {"account", "see", "decide"},
}


def send(person, app, endpoint):
    rule = next(app.url_map.iter_rules(endpoint))
    named = {"token": "x", "batch": UUID(int=4711), "tab": "waiting", "kind": "plugin"}
    values = {name: named.get(name, 4711) for name in rule.arguments}
    method = "POST" if "POST" in rule.methods else "GET"
    path = app.url_map.bind("localhost").build(endpoint, values, method)
    return person.post(path) if method == "POST" else person.get(path)


def test_each_role_has_exactly_these_permissions():
    assert set(ALLOWED) == set(ROLES)
    for role in ROLES:
        assert {
            verb for verb in permissions.ROLES_BY_PERMISSION if permissions.is_allowed(role, verb)
        } == ALLOWED[role]
    assert not any(
        permissions.is_allowed(role, verb)
        for role in ("", "site")
        for verb in permissions.ROLES_BY_PERMISSION
    )


def test_the_documentation_shows_the_same_table():
    text = (Path(__file__).parents[2] / "docs/OPERATIONS.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .+? \|((?: (?:yes|–) \|){5})$", text, re.MULTILINE)
    shown = {
        verb: {
            role
            for role, cell in zip(ROLES, re.findall("yes|–", cells), strict=True)
            if cell == "yes"
        }
        for verb, cells in rows
    }
    assert shown == permissions.ROLES_BY_PERMISSION


def test_every_route_is_open_or_in_the_table(app):
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints == OPEN | NEEDS.keys()
    assert not OPEN & NEEDS.keys()


@pytest.mark.parametrize("role", ALLOWED)
def test_each_role_gets_what_the_table_says(app, as_ana, as_mia, as_ben, as_cleo, as_dora, role):
    people = {
        "owner": as_ana,
        "manager": as_mia,
        "operator": as_ben,
        "viewer": as_cleo,
        "client": as_dora,
    }
    refused = {name for name in ENDPOINTS if send(people[role], app, name).status_code == 403}
    assert refused == {name for name in NEEDS if NEEDS[name] not in ALLOWED[role]}


def test_a_visitor_is_sent_to_sign_in(app, anonymous):
    for endpoint in NEEDS:
        response = send(anonymous, app, endpoint)
        assert response.status_code == 303, endpoint
        assert response.headers["Location"].startswith("/sign-in"), endpoint


def test_a_route_without_a_guard_is_refused(database, ana):
    app = create_app(database)
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    app.add_url_rule("/guarded", "guarded", require_permission("see")(lambda: "shown"))
    as_ana = signed_in(app, ana)
    for person in (as_ana, app.test_client()):
        response = person.get("/forgotten")
        assert response.status_code == 403
        assert "secret" not in response.text
    assert as_ana.get("/guarded").text == "shown"
