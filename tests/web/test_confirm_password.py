"""Sensitive actions ask for the password if the user last typed it 15 minutes ago or more."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest

from app.domain import permissions
from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from tests.support.factories import PASSWORD, make_user

# Every POST route whose permission needs a recent password. Add a new route here.
ROUTES = {
    "alerts.close": "/alerts/4711/close",
    "audit.seen": "/activity/verifications/4711/seen",
    "changes.approve": "/changes/4711/approve",
    "batches.approve": f"/updates/{UUID(int=4711)}/approve",
    "changes.close": "/changes/4711/close",
    "changes.reject": "/changes/4711/reject",
    "changes.override": "/changes/4711/override",
    "client_reports.change_note": "/clients/4711/reports/4711/note",
    "client_reports.change_schedule": "/clients/4711/reports/schedule",
    "client_reports.discard": "/clients/4711/reports/4711/discard",
    "client_reports.send": "/clients/4711/reports/4711/send",
    "clients.merge": "/clients/4711/merge",
    "connections.follow": "/sites/4711/quarantine/follow",
    "connections.keep_server_login": "/sites/4711/server-login",
    "connections.rotate": "/sites/4711/keys/rotate",
    "email.change": "/settings/email",
    "email.remove": "/settings/email/remove",
    "email.resend": "/settings/email/messages/4711/resend",
    "email.send_test": "/settings/email/test",
    "exports.download": "/activity/exports/4711",
    "exports.make": "/activity/exports",
    "file_checks.accept": "/sites/4711/files/4711/accept",
    "security.renew_keys": "/settings/security/renew-keys",
    "single_sign_on.change": "/settings/single-sign-on",
    "single_sign_on.remove": "/settings/single-sign-on/remove",
    "security.require_second_factor": "/settings/security/second-factor",
    "team.change_role": "/team/4711/role",
    "team.disable": "/team/4711/disable",
    "team.enable": "/team/4711/enable",
    "team.erase": "/team/4711/erase",
    "team.invite": "/team",
    "team.renew": "/team/4711/link",
    "team.reset_second_factor": "/team/4711/second-factor/reset",
    "vulnerability_feed.fetch": "/settings/vulnerabilities/fetch",
    "vulnerability_feed.import_file": "/settings/vulnerabilities/file",
    "vulnerability_feed.remove_key": "/settings/vulnerabilities/key/remove",
    "vulnerability_feed.set_key": "/settings/vulnerabilities/key",
    "webhooks.add": "/settings/webhooks",
    "webhooks.change": "/settings/webhooks/4711/edit",
    "webhooks.remove": "/settings/webhooks/4711/delete",
    "webhooks.replace_secret": "/settings/webhooks/4711/secret",
    "webhooks.resend": "/settings/webhooks/messages/4711/resend",
    "webhooks.send_test": "/settings/webhooks/4711/test",
    "webhooks.turn_off": "/settings/webhooks/4711/off",
    "webhooks.turn_on": "/settings/webhooks/4711/on",
    "windows.stop": "/settings/windows/stop",
    "windows.start": "/settings/windows/start",
    "windows.add_freeze": "/settings/windows/freezes",
    "windows.end_freeze": "/settings/windows/freezes/4711/end",
    "windows.set_window": "/settings/windows/maintenance",
    "windows.remove_window": "/settings/windows/maintenance/remove",
    "auto_update_rules.set_approval_mode": "/clients/4711/approvals",
    "auto_update_rules.confirm": "/auto-update-rules/4711/confirm",
    "auto_update_rules.end": "/auto-update-rules/4711/end",
    "auto_update_rules.make": "/auto-update-rules",
    "auto_update_rules.set_rest": "/auto-update-rules/rest-period",
    "components.lift": "/sites/4711/component/lift",
    "plugins.accept": "/plugins/sources/4711/accept",
    "rollouts.resume": f"/updates/{UUID(int=4711)}/rollout/resume",
    "changes.answer_pages": "/changes/4711/pages",
}
HIDDEN_FIELD = re.compile(r'<input [^>]*name="([^"]+)"[^>]* value="([^"]*)"')
INVITED = {"name": "Eve", "email": "eve@agency.example", "role": "owner"}


def leave_open(minutes: int = 20) -> None:
    """Keep the browser signed in, but age its last password by `minutes`."""
    UserSession.update(confirmed_at=utcnow() - timedelta(minutes=minutes)).execute()


def test_every_route_that_needs_a_recent_password_is_listed(app):
    found = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "POST" in rule.methods
        and getattr(app.view_functions[rule.endpoint], "verb", "")
        in permissions.NEEDS_RECENT_PASSWORD
    }
    assert found == ROUTES.keys()


@pytest.mark.parametrize("endpoint", ROUTES)
def test_a_browser_left_open_must_confirm_the_password(as_ana, endpoint):
    leave_open()
    before = AuditEntry.head()
    response = as_ana.post(ROUTES[endpoint], data=INVITED)
    assert response.status_code == 403
    assert "Confirm your identity" in response.text
    assert AuditEntry.head() == before


@pytest.mark.parametrize("endpoint", ROUTES)
def test_the_wrong_password_is_no_confirmation(as_ana, endpoint):
    leave_open()
    response = as_ana.post(ROUTES[endpoint], data={**INVITED, "own_password": "a guess"})
    assert response.status_code == 422
    assert AuditEntry.head().event == "password_refused"
    assert not User.select().where(User.name == "Eve").exists()


def test_a_password_counts_for_less_than_15_minutes(as_ana):
    leave_open(minutes=14)
    assert as_ana.post("/team", data=INVITED).status_code == 303
    leave_open(minutes=15)
    assert as_ana.post("/team", data={**INVITED, "email": "f@a.example"}).status_code == 403


def test_the_password_completes_the_original_request(as_ana):
    leave_open()
    prompt = as_ana.post("/team", data=INVITED)
    fields = dict(HIDDEN_FIELD.findall(prompt.text))
    assert {name: fields[name] for name in INVITED} == INVITED
    response = as_ana.post("/team", data={**fields, "own_password": PASSWORD})
    assert response.status_code == 303
    assert User.get(User.name == "Eve").email == "eve@agency.example"


def test_a_browser_left_open_cannot_renew_an_account_link(as_ana, ana):
    colleague = make_user("Carl", "owner")
    leave_open()
    response = as_ana.post(f"/team/{colleague.id}/link")
    assert response.status_code == 403
    assert "/invitation/" not in response.text
    assert User.get_by_id(colleague.id).session_epoch == colleague.session_epoch


def test_pages_need_no_recent_password(as_ana):
    leave_open()
    for page in ("/team", "/activity/exports", "/auto-update-rules"):
        assert as_ana.get(page).status_code == 200
