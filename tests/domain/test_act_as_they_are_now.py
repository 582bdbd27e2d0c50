"""A user who was disabled, or lost their role, while their request waited changes nothing.

Each state change reads the user again under the lock of its transaction. The cases below are
complete: add one for each new state change.
"""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.accounts import (
    identity,
    own_passkeys,
    preferences,
    roles,
    second_factors,
    sessions,
    single_sign_on,
    users,
)
from app.domain.accounts.identity import Proof
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.roles import Access
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.single_sign_on import TypedProvider
from app.domain.accounts.verified_person import VerifiedPerson
from app.domain.actor import SYSTEM, Actor
from app.domain.agency import logo, settings
from app.domain.audit import export, redaction, verification
from app.domain.changes import (
    approvals,
    auto_update_rules,
    bulk_assignment,
    fleet_updates,
    freezes,
    maintenance_windows,
    page_questions,
    proposals,
    rest_decisions,
    site_assignment,
    stop_switch,
    vulnerability_updates,
)
from app.domain.changes.approvals import Terms
from app.domain.changes.change_times import Window
from app.domain.changes.freezes import FreezeTerms
from app.domain.changes.proposals import UpdateRequest
from app.domain.changes.rule_terms import RuleTerms
from app.domain.connection import pairing, revocation, rotation
from app.domain.crosscheck import site_log
from app.domain.diagnostics import runs
from app.domain.errors import Forbidden, Invalid, NotFound
from app.domain.integrity import acceptance, file_checks
from app.domain.inventory import site_sync
from app.domain.mail import outbox, server
from app.domain.mail.server import TypedServer
from app.domain.notifications import preferences as notification_preferences
from app.domain.notifications.preferences import Preferences
from app.domain.page_checks import settings as page_settings
from app.domain.page_checks.settings import TypedPage
from app.domain.provenance import changes as source_changes
from app.domain.reporting import data, schedule, sending
from app.domain.reporting.client_report import Period
from app.domain.rollouts import control, starting
from app.domain.sites import clients, holds, notes, sites
from app.domain.sites.site_csv import SiteLine
from app.domain.uptime import settings as uptime_settings
from app.domain.vulnerabilities import source, upkeep
from app.domain.webhooks import endpoints as webhook_endpoints
from app.domain.webhooks import outbox as webhook_outbox
from app.models.accounts import User
from app.models.alerts import Alert
from app.models.audit import BROKEN, AuditEntry, Verification
from app.models.auto_update_rules import AutoUpdateRule
from app.models.available_updates import AvailableUpdate
from app.models.base import transaction
from app.models.changes import SUCCEEDED, Change
from app.models.client_reports import SentReport
from app.models.clients import Client
from app.models.email import OutgoingEmail
from app.models.file_checks import ComparedComponent
from app.models.provenance import ProvenanceChange
from app.models.rollouts import Rollout
from app.models.site_pages import ChangePages, SitePage
from app.models.sites import MOVED, Pairing, Site
from app.models.vulnerabilities import VulnerableSoftware
from app.models.webhooks import WebhookEndpoint, WebhookMessage
from tests.support.client_reports import MONTHLY_REPORTS, make_due, no_pdf, prepare
from tests.support.emails import TYPED, turn_email_on
from tests.support.factories import (
    AKISMET,
    PASSWORD,
    check,
    make_site,
    make_user,
    propose,
)
from tests.support.fakes import Clock, FakeSite
from tests.support.file_checks import differing
from tests.support.openid_provider import CLIENT_ID, SECRET, LocalProvider, local_provider
from tests.support.pictures import picture
from tests.support.rollouts import ONE_THEN_THE_REST, RolloutWorld
from tests.support.second_factors import Device, add_app, first_code, make_passkey
from tests.support.vulnerability_feeds import bounds, feed, record, software
from tests.support.webhooks import add_endpoint, typed_endpoint

DOMAIN = Path(__file__).parents[2] / "app/domain"
HOOK = "https://hooks.example/in"
BROWSER = ClientInfo("192.0.2.9")
WINDOW = Window((0, 1, 2), 2, 5, "Europe/Berlin")


class World:
    """One installation in which Olga, an owner, could do each of these things."""

    openid: LocalProvider

    def __init__(self, site: Site, fake: FakeSite, ana: Actor, ben: Actor, config: Config) -> None:
        self.site, self.fake, self.config = site, fake, config
        self.ana, self.ben = ana, ben
        self.now = fake.clock()
        self.user = make_user("Olga", "owner")
        self.by = Actor.of(self.user, "192.0.2.9")
        self.auth: AuthenticatedSession = sessions.start_session(self.user, BROWSER, now=self.now)
        self.colleague = make_user("Carl", "operator")
        self.fresh = {"confirmed_at": self.now, "now": self.now}

    # ---- objects to decide about ----

    def change(self) -> Change:
        return check(propose(self.site, self.ben, self.now), self.fake, self.config)

    def page(self) -> SitePage:
        typed = TypedPage("/shop/")
        return page_settings.add_page(self.site, typed, by=self.ben, now=self.now)

    def change_with_pages(self) -> Change:
        change = self.change()
        Change.update(state=SUCCEEDED).where(Change.id == change.id).execute()
        ChangePages.keep(change.id, [])
        results = [{"path": "/", "answer": "different"}]
        ChangePages.update(results=results, asks=True).execute()
        return Change.get_by_id(change.id)

    def reviewed(self) -> Change:
        return proposals.review_changes(self.requests(), by=self.ben, now=self.now)[0]

    def imported(self) -> VulnerableSoftware:
        """Import a known vulnerability of the site; return the software that has it."""
        file = io.BytesIO(feed(record(1, software("akismet", bounds("5.3"), patched=("5.3.1",)))))
        source.accept_file_from_cli(file, by=SYSTEM, config=self.config, now=self.now)
        upkeep.update(self.config, now=lambda: self.now)
        return VulnerableSoftware.get()

    def lifting_rest(self) -> Callable[..., Any]:
        self.imported()
        release = (self.site, "plugin", AKISMET, "5.3.1")
        return partial(rest_decisions.lift_rest, *release, reason="Exploited", **self.fresh)

    def removing_key(self) -> Callable[..., Any]:
        source.set_key("a-key", by=self.ana, config=self.config, now=self.now)
        return partial(source.remove_key, now=self.now)

    def fetching(self) -> Callable[..., Any]:
        source.set_key("a-key", by=self.ana, config=self.config, now=self.now)
        return partial(source.request_fetch, now=self.now)

    def other(self) -> Site:
        return make_site(self.ana, now=self.now, url="https://other.example", name="Other")

    def token(self) -> Pairing:
        return pairing.issue_token(self.other(), by=self.ana, config=self.config, now=self.now)[0]

    def incident(self) -> Change:
        change = self.change()
        Change.update(state="failed", is_incident=True).where(Change.id == change.id).execute()
        change.refresh()
        return change

    def failed(self) -> Change:
        change = self.change()
        Change.update(state="failed", ended_at=self.now).where(Change.id == change.id).execute()
        change.refresh()
        return change

    def alert(self) -> Alert:
        with transaction():
            alerts.raise_alert(self.site, alerts.LOG_BROKEN, "1", {}, self.ana, self.now)
        return Alert.get()

    def stopped(self) -> Callable[..., Any]:
        stop_switch.stop_changes("A bad release", by=self.ana, **self.fresh)
        return partial(stop_switch.start_changes, **self.fresh)

    def source_change(self) -> ProvenanceChange:
        about = [source_changes.Part("owner", "automattic", "newbuyer")]
        source_changes.record_change("plugin", "akismet", about, self.now)
        return ProvenanceChange.get()

    def freeze_terms(self) -> FreezeTerms:
        return FreezeTerms("Black Friday", self.now.date(), self.now.date() + timedelta(days=1))

    def removing_window(self) -> Callable[..., Any]:
        maintenance_windows.set_window(self.site, WINDOW, by=self.ana, **self.fresh)
        return partial(maintenance_windows.remove_window, self.site, **self.fresh)

    def approving_in_waves(self) -> Callable[..., Any]:
        batch = RolloutWorld.make(self.ana, self.config, self.fake.clock, count=2).review()
        seen = {change.id: change.digest for change in batch}
        terms = {"seen": seen, "config": self.config, "terms": Terms(), **self.fresh}
        return partial(starting.approve_in_waves, batch, ONE_THEN_THE_REST, **terms)

    def rollout(self) -> Rollout:
        self.approving_in_waves()(by=self.ana)
        return Rollout.get()

    def resuming(self) -> Callable[..., Any]:
        rollout = self.rollout()
        control.pause_rollout(rollout, by=self.ana, now=self.now)
        return partial(control.resume_rollout, rollout, seen=[], reason="", **self.fresh)

    def leaving_out(self) -> Callable[..., Any]:
        rollout = self.rollout()
        site = Site.get(Site.name == "B")
        return partial(control.leave_site_out, rollout, site, now=self.now)

    def approving_in_spite(self) -> Callable[..., Any]:
        change = self.change()
        freezes.add_freeze(self.freeze_terms(), by=self.ana, **self.fresh)
        return partial(
            approvals.approve_in_spite,
            change,
            seen=change.digest,
            reason="A security release",
            config=self.config,
            **self.fresh,
        )

    def with_email(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Set up an e-mail server before the call."""
        turn_email_on(self.ana, self.config, self.now)
        return act

    def with_provider(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Set up single sign-on before the call."""
        single_sign_on.change_provider(
            self.provider(), by=self.ana, config=self.config, now=self.now
        )
        return act

    def provider(self) -> TypedProvider:
        return TypedProvider(self.openid.issuer, CLIENT_ID, SECRET, "Okta")

    def refused_email(self) -> OutgoingEmail:
        return OutgoingEmail.create(
            user=self.user,
            kind="test",
            subject="Test",
            message_id="<1@agency.example>",
            state="failed",
            requested_at=self.now,
            expires_at=self.now,
            next_attempt_at=self.now,
            ended_at=self.now,
        )

    def endpoint(self, *, is_on: bool = True) -> WebhookEndpoint:
        endpoint, _ = add_endpoint(self.ana, self.config, self.now)
        if not is_on:
            webhook_endpoints.turn_off(endpoint, by=self.ana, now=self.now)
        return endpoint

    def refused_webhook(self) -> WebhookMessage:
        message = webhook_outbox.queue_message(
            self.endpoint(), webhook_outbox.OPENED, "x", {"sections": []}, now=self.now
        )
        message.update_if(state="failed", ended_at=self.now)
        return message

    def rule(self) -> AutoUpdateRule:
        return auto_update_rules.create_rule(self.terms(), by=self.ana, **self.fresh)

    def terms(self) -> RuleTerms:
        ends = self.now + timedelta(days=30)
        days, steps = tuple(range(7)), ("patch",)
        return RuleTerms("Patches", ("plugins",), steps, None, (), (), days, 0, 24, ends, "agreed")

    def client(self) -> Client:
        return Client.named("Bakery Ltd")

    def disabled(self) -> User:
        users.disable_user(self.colleague, by=self.ana, now=self.now)
        return self.colleague

    def broken(self) -> Verification:
        stored = {
            "requested_by": "Ana",
            "requested_at": self.now,
            "broken_at": 3,
            "reason": "altered",
        }
        return Verification.create(state=BROKEN, **stored)

    def moved(self) -> Site:
        there = {"now": "https://new.example", "endpoints": []}
        Site.update(quarantine=MOVED, quarantine_evidence=there).execute()
        self.site.refresh()
        return self.site

    def held(self) -> tuple[str, str]:
        self.hold(self.ana)
        return "plugin", AKISMET

    def removing_logo(self) -> Callable[..., object]:
        logo.set_logo(picture(), by=self.ana, now=self.now)
        return partial(logo.remove_logo, now=self.now)

    def hold(self, by: Actor) -> None:
        holds.hold_updates(
            [self.site], "plugin", AKISMET, until=None, reason="wait", by=by, now=self.now
        )

    def changed_files(self) -> int:
        """A plugin with a file that differs from its release."""
        report = {
            "integrity": {"components": [differing(AKISMET, "5.3", changed=["a"], digit="a")]}
        }
        with transaction():
            file_checks.store_check(self.site, report, {"files_checked_at": 1}, self.now)
        return ComparedComponent.get().id

    def accepted_files(self) -> int:
        number = self.changed_files()
        acceptance.accept_differences(
            self.site, number, "a" * 64, because="ours", by=self.ana, **self.fresh
        )
        return number

    def exported(self) -> int:
        covered = export.make_scope()
        request = export.request_export("jsonl", covered, by=self.ana, **self.fresh)
        assert export.run_export(request.id, config=self.config) == "done"
        return request.id

    def waiting_report(self) -> SentReport:
        turn_email_on(self.ana, self.config, self.now)
        make_due(self.client(), self.ana, self.now)
        return prepare(self.config, self.now)[0]

    def sending_report(self) -> Callable[..., object]:
        report = self.waiting_report()
        seen = sending.seen_digest(report)
        return partial(sending.send_report, report, seen, no_pdf, config=self.config, **self.fresh)

    def sent_report(self) -> SentReport:
        self.sending_report()(by=self.ana)
        return SentReport.select().get()

    def period(self) -> Period:
        return Period.of_days(self.now.date(), self.now.date())

    def requests(self) -> list[UpdateRequest]:
        return [UpdateRequest(self.site, "plugin", AKISMET, "5.3.1")]

    def approving(self, approve: Callable[..., object]) -> Callable[..., object]:
        change = self.change()
        seen = {change.id: change.digest}
        return partial(approve, [change], seen=seen, config=self.config, **self.fresh)

    # ---- users and their own account ----

    def change_password(self, by: Actor) -> object:
        new, about = "another long passphrase 7", {"config": self.config, "now": self.now}
        return users.change_password(
            self.auth, present=PASSWORD, new=new, again=new, browser=BROWSER, **about
        )

    def confirm(self, by: Actor) -> None:
        identity.reauthenticate(
            self.auth, Proof(PASSWORD), browser=BROWSER, config=self.config, now=self.now
        )

    def person(self, by: Actor) -> VerifiedPerson:
        return VerifiedPerson(self.user, by, self.auth.session.id)

    def with_app(self, user: User) -> User:
        """Give a person an authenticator app."""
        add_app(user, self.config, self.now)
        return user

    def confirming_app(self) -> Callable[..., object]:
        with transaction():
            second_factors.prepare_app(self.user, self.config, self.now)
        return lambda by: second_factors.confirm_app(
            self.person(by),
            first_code(self.user, self.config, self.now),
            config=self.config,
            now=self.now,
        )

    def adding_passkey(self) -> Callable[..., object]:
        person, config = self.person(self.by), replace(self.config, origin="http://localhost")
        challenge = own_passkeys.begin_add(person, config=config, now=self.now)
        answer = Device().create(json.loads(challenge.options))
        new = own_passkeys.check_new(
            person, "Phone", answer, challenge.ticket, config=config, now=self.now
        )
        return lambda by: own_passkeys.add_passkey(self.person(by), new, now=self.now)

    def removing_passkey(self) -> Callable[..., object]:
        kept = make_passkey(self.user, self.now)
        return lambda by: own_passkeys.remove_passkey(self.person(by), kept.id, now=self.now)

    def with_factor(self, act: Callable[[Actor], object]) -> Callable[..., object]:
        self.with_app(self.user)
        return act


# By function: how to prepare the call; the result is called with `by`.
CASES: dict[str, Callable[[World], Callable[..., object]]] = {
    "vulnerabilities.source.set_key": lambda w: partial(
        source.set_key, "a-key", config=w.config, now=w.now
    ),
    "vulnerabilities.source.remove_key": World.removing_key,
    "vulnerabilities.source.request_fetch": World.fetching,
    "vulnerabilities.source.accept_file": lambda w: partial(
        source.accept_file, io.BytesIO(feed(record(1))), config=w.config, now=w.now
    ),
    "changes.vulnerability_updates.review_fixes": lambda w: partial(
        vulnerability_updates.review_fixes, w.imported().id, now=w.now
    ),
    "accounts.users.invite_user": lambda w: partial(
        users.invite_user,
        name="Dan",
        email="d@a.example",
        access=Access("viewer"),
        config=w.config,
        now=w.now,
    ),
    "accounts.users.renew_invitation": lambda w: partial(
        users.renew_invitation, w.colleague, config=w.config, now=w.now
    ),
    "accounts.roles.change_access": lambda w: partial(
        roles.change_access, w.colleague, Access("viewer"), **w.fresh
    ),
    "accounts.users.disable_user": lambda w: partial(users.disable_user, w.colleague, now=w.now),
    "accounts.users.enable_user": lambda w: partial(users.enable_user, w.disabled(), now=w.now),
    "accounts.users.change_password": lambda w: w.change_password,
    "accounts.identity.reauthenticate": lambda w: w.confirm,
    "accounts.own_passkeys.add_passkey": lambda w: w.adding_passkey(),
    "accounts.own_passkeys.remove_passkey": lambda w: w.removing_passkey(),
    "accounts.second_factors.begin_app": lambda w: (
        lambda by: second_factors.begin_app(w.person(by), config=w.config, now=w.now)
    ),
    "accounts.second_factors.confirm_app": lambda w: w.confirming_app(),
    "accounts.second_factors.remove_app": lambda w: w.with_factor(
        lambda by: second_factors.remove_app(w.person(by), now=w.now)
    ),
    "accounts.second_factors.renew_recovery_codes": lambda w: w.with_factor(
        lambda by: second_factors.renew_recovery_codes(w.person(by), now=w.now)
    ),
    "accounts.second_factors.reset_factors": lambda w: (
        lambda user: lambda by: second_factors.reset_factors(user, owner=w.person(by), now=w.now)
    )(w.with_app(w.colleague)),
    "accounts.second_factors.require_for_roles": lambda w: partial(
        second_factors.require_for_roles, ["owner"], now=w.now
    ),
    "accounts.sessions.end_session": lambda w: partial(
        sessions.end_session, w.auth.session.id, now=w.now
    ),
    "accounts.sessions.end_other_sessions": lambda w: partial(
        sessions.end_other_sessions, w.auth, now=w.now
    ),
    "diagnostics.runs.request_diagnostics": lambda w: partial(
        runs.request_diagnostics, w.site, now=w.now
    ),
    "connection.pairing.issue_token": lambda w: partial(
        pairing.issue_token, w.other(), config=w.config, now=w.now
    ),
    "connection.pairing.cancel_pairing": lambda w: partial(
        pairing.cancel_pairing, w.token(), now=w.now
    ),
    "connection.pairing.retry_pairing_now": lambda w: partial(
        pairing.retry_pairing_now, w.token(), now=w.now
    ),
    "sites.sites.add_site": lambda w: partial(
        sites.add_site, name="", url="https://other.example", client_name="", now=w.now
    ),
    "sites.sites.remove_site": lambda w: partial(sites.remove_site, w.other(), now=w.now),
    "sites.sites.set_server_login": lambda w: partial(
        sites.set_server_login, w.site, name="web", password="x", config=w.config, now=w.now
    ),
    "alerts.close_alert": lambda w: partial(
        alerts.close_alert, w.alert(), note="looked", with_others=False, **w.fresh
    ),
    "connection.revocation.revoke_access": lambda w: partial(
        revocation.revoke_access, w.site, now=w.now
    ),
    "crosscheck.site_log.request_site_log": lambda w: partial(site_log.request_site_log, w.site),
    "audit.redaction.erase_user": lambda w: partial(
        redaction.erase_user, w.disabled(), reason="asked for", **w.fresh
    ),
    "changes.auto_update_rules.create_rule": lambda w: partial(
        auto_update_rules.create_rule, w.terms(), **w.fresh
    ),
    "changes.auto_update_rules.confirm_rule": lambda w: partial(
        auto_update_rules.confirm_rule, w.rule(), **w.fresh
    ),
    "changes.auto_update_rules.end_rule": lambda w: partial(
        auto_update_rules.end_rule, w.rule(), now=w.now
    ),
    "changes.auto_update_rules.set_approval_mode": lambda w: partial(
        auto_update_rules.set_approval_mode, w.client(), "second", **w.fresh
    ),
    "reporting.data.issue_report": lambda w: partial(
        data.issue_report, w.client(), w.period(), form="pdf", config=w.config, now=w.now
    ),
    "sites.holds.hold_updates": lambda w: partial(
        holds.hold_updates,
        [w.site],
        "plugin",
        AKISMET,
        until=None,
        reason="wait",
        now=w.now,
    ),
    "integrity.acceptance.accept_differences": lambda w: partial(
        acceptance.accept_differences,
        w.site,
        w.changed_files(),
        "a" * 64,
        because="ours",
        **w.fresh,
    ),
    "integrity.acceptance.withdraw_acceptance": lambda w: partial(
        acceptance.withdraw_acceptance, w.site, w.accepted_files(), now=w.now
    ),
    "sites.holds.release_hold": lambda w: partial(holds.release_hold, w.site, *w.held(), now=w.now),
    "connection.rotation.request_rotation": lambda w: partial(
        rotation.request_rotation, w.site, config=w.config, now=w.now
    ),
    "connection.rotation.follow_move": lambda w: partial(
        rotation.follow_move, w.moved(), config=w.config, now=w.now
    ),
    "inventory.site_sync.request_sync": lambda w: partial(
        site_sync.request_sync, w.site, now=w.now
    ),
    "audit.verification.request_verification": lambda w: partial(
        verification.request_verification, now=w.now
    ),
    "audit.verification.acknowledge_failure": lambda w: partial(
        verification.acknowledge_failure, w.broken().id, now=w.now
    ),
    "changes.proposals.review_changes": lambda w: partial(
        proposals.review_changes, w.requests(), now=w.now
    ),
    "changes.proposals.request_approval": lambda w: partial(
        proposals.request_approval, [w.reviewed()], reason="", now=w.now
    ),
    "changes.proposals.stop_batch": lambda w: partial(
        proposals.stop_batch, [w.change()], now=w.now
    ),
    "changes.fleet_updates.ignore_updates": lambda w: partial(
        fleet_updates.ignore_updates,
        list(AvailableUpdate.select()),
        everywhere=True,
        until=None,
        reason="wait",
        now=w.now,
    ),
    "rollouts.starting.approve_in_waves": World.approving_in_waves,
    "rollouts.control.resume_rollout": World.resuming,
    "rollouts.control.leave_site_out": World.leaving_out,
    "rollouts.control.pause_rollout": lambda w: partial(
        control.pause_rollout, w.rollout(), now=w.now
    ),
    "rollouts.control.end_rollout": lambda w: partial(control.end_rollout, w.rollout(), now=w.now),
    "changes.proposals.cancel_change": lambda w: partial(
        proposals.cancel_change, w.change(), now=w.now
    ),
    "changes.proposals.close_incident": lambda w: partial(
        proposals.close_incident, w.incident(), note="fine", now=w.now
    ),
    "changes.proposals.acknowledge": lambda w: partial(
        proposals.acknowledge, w.failed(), note="seen", now=w.now
    ),
    "changes.site_assignment.edit_site": lambda w: partial(
        site_assignment.edit_site, w.site, name="Another name", client_name="", **w.fresh
    ),
    "sites.clients.rename_client": lambda w: partial(
        clients.rename_client, w.client(), "Bakery & Sons", now=w.now
    ),
    "changes.site_assignment.merge_clients": lambda w: partial(
        site_assignment.merge_clients, Client.named("Bakery Limited"), w.client(), **w.fresh
    ),
    "changes.approvals.approve_changes": lambda w: w.approving(approvals.approve_changes),
    "changes.approvals.reject_change": lambda w: partial(
        approvals.reject_change, w.change(), reason="no", now=w.now
    ),
    "changes.site_assignment.set_tags": lambda w: partial(
        site_assignment.set_tags, w.site, "shop", **w.fresh
    ),
    "audit.export.request_export": lambda w: partial(
        export.request_export, "csv", export.make_scope(), **w.fresh
    ),
    "audit.export.get_download": lambda w: partial(
        export.get_download, w.exported(), config=w.config, now=w.now
    ),
    "changes.bulk_assignment.change_tags": lambda w: partial(
        bulk_assignment.change_tags, [w.site], add="shop", remove="", **w.fresh
    ),
    "changes.bulk_assignment.import_sites": lambda w: partial(
        bulk_assignment.import_sites,
        [SiteLine(2, "Mill", "https://mill.example", "", {})],
        **w.fresh,
    ),
    "inventory.site_sync.request_syncs": lambda w: partial(
        site_sync.request_syncs, [w.site], now=w.now
    ),
    "sites.notes.set_site_notes": lambda w: partial(
        notes.set_site_notes, w.site, "Two languages", now=w.now
    ),
    "sites.notes.set_client_notes": lambda w: partial(
        notes.set_client_notes, w.client(), "Calls on Mondays", now=w.now
    ),
    "sites.clients.set_contact": lambda w: partial(
        clients.set_contact, w.client(), clients.Contact("Grace Bell"), now=w.now
    ),
    "agency.settings.change_settings": lambda w: partial(
        settings.change_settings, settings.TypedSettings(name="Fernwood"), now=w.now
    ),
    "agency.logo.set_logo": lambda w: partial(logo.set_logo, picture(), now=w.now),
    "agency.logo.remove_logo": lambda w: w.removing_logo(),
    "accounts.preferences.change_preferences": lambda w: partial(
        preferences.change_preferences, theme="dark", time_zone="Europe/Berlin"
    ),
    "changes.stop_switch.stop_changes": lambda w: partial(
        stop_switch.stop_changes, "A bad release", **w.fresh
    ),
    "provenance.changes.accept_change": lambda w: partial(
        source_changes.accept_change, w.source_change(), "Announced", **w.fresh
    ),
    "changes.stop_switch.start_changes": lambda w: w.stopped(),
    "changes.freezes.add_freeze": lambda w: partial(
        freezes.add_freeze, w.freeze_terms(), **w.fresh
    ),
    "changes.rest_decisions.set_rest_period": lambda w: partial(
        rest_decisions.set_rest_period, 24, None, **w.fresh
    ),
    "changes.rest_decisions.lift_rest": World.lifting_rest,
    "changes.freezes.end_freeze": lambda w: partial(
        freezes.end_freeze,
        freezes.add_freeze(w.freeze_terms(), by=w.ana, **w.fresh).id,
        **w.fresh,
    ),
    "changes.maintenance_windows.set_window": lambda w: partial(
        maintenance_windows.set_window, w.site, WINDOW, **w.fresh
    ),
    "changes.maintenance_windows.remove_window": lambda w: w.removing_window(),
    "changes.approvals.approve_in_spite": lambda w: w.approving_in_spite(),
    "page_checks.settings.add_page": lambda w: partial(
        page_settings.add_page, w.site, TypedPage("/shop/"), now=w.now
    ),
    "page_checks.settings.change_page": lambda w: partial(
        page_settings.change_page, w.site, w.page().id, TypedPage("/store/"), now=w.now
    ),
    "page_checks.settings.remove_page": lambda w: partial(
        page_settings.remove_page, w.site, w.page().id, now=w.now
    ),
    "page_checks.settings.request_look": lambda w: partial(
        page_settings.request_look, w.site, now=w.now
    ),
    "changes.page_questions.answer_looks_right": lambda w: partial(
        page_questions.answer_looks_right, w.change_with_pages(), note="", now=w.now
    ),
    "uptime.settings.change_settings": lambda w: partial(
        uptime_settings.change_settings, w.site, every_minutes=15, phrase="", now=w.now
    ),
    "accounts.single_sign_on.change_provider": lambda w: w.with_provider(
        partial(single_sign_on.change_provider, w.provider(), config=w.config, now=w.now)
    ),
    "accounts.single_sign_on.remove_provider": lambda w: w.with_provider(
        partial(single_sign_on.remove_provider, now=w.now)
    ),
    "mail.server.change_server": lambda w: partial(
        server.change_server, TypedServer(**TYPED), config=w.config, now=w.now
    ),
    "mail.server.remove_server": lambda w: w.with_email(partial(server.remove_server, now=w.now)),
    "mail.outbox.request_test": lambda w: w.with_email(partial(outbox.request_test, now=w.now)),
    "mail.outbox.resend": lambda w: w.with_email(
        partial(outbox.resend, w.refused_email(), now=w.now)
    ),
    "reporting.schedule.change_schedule": lambda w: partial(
        schedule.change_schedule, w.client(), MONTHLY_REPORTS, **w.fresh
    ),
    "reporting.sending.change_note": lambda w: partial(
        sending.change_note, w.waiting_report(), "Thank you.", now=w.now
    ),
    "reporting.sending.send_report": lambda w: w.sending_report(),
    "reporting.sending.discard_report": lambda w: partial(
        sending.discard_report, w.waiting_report(), now=w.now
    ),
    "reporting.sending.download_report": lambda w: partial(
        sending.download_report, w.sent_report(), now=w.now
    ),
    "webhooks.endpoints.add_endpoint": lambda w: partial(
        webhook_endpoints.add_endpoint, typed_endpoint(HOOK), config=w.config, now=w.now
    ),
    "webhooks.endpoints.change_endpoint": lambda w: partial(
        webhook_endpoints.change_endpoint,
        w.endpoint(),
        typed_endpoint(HOOK),
        config=w.config,
        now=w.now,
    ),
    "webhooks.endpoints.replace_secret": lambda w: partial(
        webhook_endpoints.replace_secret, w.endpoint(), config=w.config, now=w.now
    ),
    "webhooks.endpoints.turn_off": lambda w: partial(
        webhook_endpoints.turn_off, w.endpoint(), now=w.now
    ),
    "webhooks.endpoints.turn_on": lambda w: partial(
        webhook_endpoints.turn_on, w.endpoint(is_on=False), now=w.now
    ),
    "webhooks.endpoints.remove_endpoint": lambda w: partial(
        webhook_endpoints.remove_endpoint, w.endpoint(), now=w.now
    ),
    "webhooks.outbox.request_test": lambda w: partial(
        webhook_outbox.request_test, w.endpoint(), now=w.now
    ),
    "webhooks.outbox.resend": lambda w: partial(
        webhook_outbox.resend, w.refused_webhook(), now=w.now
    ),
    "notifications.preferences.change_preferences": lambda w: partial(
        notification_preferences.change_preferences, Preferences(), now=w.now
    ),
}
# These concern no site and no client, so only the user's role matters.
ABOUT_NO_CLIENT = {
    *("vulnerabilities.source.set_key", "vulnerabilities.source.remove_key"),
    *("vulnerabilities.source.request_fetch", "vulnerabilities.source.accept_file"),
    *("accounts.sessions.end_session", "accounts.sessions.end_other_sessions"),
    *("accounts.users.change_password", "accounts.identity.reauthenticate"),
    *("accounts.own_passkeys.add_passkey", "accounts.own_passkeys.remove_passkey"),
    *("accounts.second_factors.begin_app", "accounts.second_factors.confirm_app"),
    *("accounts.second_factors.remove_app", "accounts.second_factors.renew_recovery_codes"),
    "accounts.second_factors.require_for_roles",
    *("accounts.preferences.change_preferences", "accounts.users.enable_user"),
    *("agency.settings.change_settings", "agency.logo.set_logo", "agency.logo.remove_logo"),
    *("audit.redaction.erase_user", "audit.verification.acknowledge_failure"),
    *(
        "accounts.single_sign_on.change_provider",
        "accounts.single_sign_on.remove_provider",
    ),
    *("mail.server.change_server", "mail.server.remove_server"),
    *("mail.outbox.request_test", "mail.outbox.resend"),
    *("webhooks.endpoints.add_endpoint", "webhooks.endpoints.change_endpoint"),
    *("webhooks.endpoints.remove_endpoint", "webhooks.endpoints.replace_secret"),
    *("webhooks.endpoints.turn_off", "webhooks.endpoints.turn_on"),
    *("webhooks.outbox.request_test", "webhooks.outbox.resend"),
    "notifications.preferences.change_preferences",
}
# These only read, and check who is reading.
READS = {"reporting.data.compute_for"}
# This is the transaction that the others open.
OPENS = {"accounts.verified_person.changing_factors", "accounts.roles.managing"}
# Every role may do these, so losing a role takes nothing away.
FOR_EVERY_ROLE = {
    *(
        "accounts.users.change_password",
        "accounts.identity.reauthenticate",
        "accounts.own_passkeys.add_passkey",
        "accounts.own_passkeys.remove_passkey",
        "accounts.second_factors.begin_app",
        "accounts.second_factors.confirm_app",
        "accounts.second_factors.remove_app",
        "accounts.second_factors.renew_recovery_codes",
        "accounts.sessions.end_session",
        "accounts.sessions.end_other_sessions",
    ),
    "accounts.preferences.change_preferences",
    "notifications.preferences.change_preferences",
    "reporting.sending.download_report",
    *("reporting.data.issue_report", "audit.verification.request_verification"),
}


@pytest.fixture(scope="module")
def openid_provider() -> Iterator[LocalProvider]:
    with local_provider() as provider:
        yield provider


@pytest.fixture
def world(
    ready: Site,
    fake: FakeSite,
    ana: Actor,
    ben: Actor,
    config: Config,
    clock: Clock,
    openid_provider: LocalProvider,
) -> World:
    made = World(ready, fake, ana, ben, config)
    made.openid = openid_provider
    return made


@pytest.mark.parametrize("name", CASES)
def test_a_user_with_permission_makes_the_change(world: World, name: str) -> None:
    CASES[name](world)(by=world.by)


@pytest.mark.parametrize("name", CASES)
def test_a_user_disabled_meanwhile_changes_nothing(world: World, name: str) -> None:
    act = CASES[name](world)
    users.disable_user(world.user, by=world.ana, now=world.now)
    before = AuditEntry.head()
    with pytest.raises(Forbidden):
        act(by=world.by)
    assert AuditEntry.head() == before


@pytest.mark.parametrize("name", [name for name in CASES if name not in FOR_EVERY_ROLE])
def test_a_user_who_lost_the_role_meanwhile_changes_nothing(world: World, name: str) -> None:
    act = CASES[name](world)
    roles.change_access(world.user, Access("viewer"), by=world.ana, **world.fresh)
    before = AuditEntry.head()
    with pytest.raises(Forbidden):
        act(by=world.by)
    assert AuditEntry.head() == before


# ---- completeness ----


@pytest.mark.parametrize("name", sorted(CASES.keys() - ABOUT_NO_CLIENT))
def test_a_user_changes_nothing_of_clients_they_no_longer_see(world: World, name: str) -> None:
    act = CASES[name](world)
    User.update(limited_to=[Client.named("Another").id]).where(User.id == world.user.id).execute()
    before = AuditEntry.head().seq
    with pytest.raises((Forbidden, NotFound, Invalid)):
        act(by=world.by)
    assert AuditEntry.head().seq == before


def permission_checks(path: Path) -> set[str]:
    """Return the public functions of a module that check permissions, directly or in a private
    function that they call, as `module.function`."""
    module = ".".join(path.relative_to(DOMAIN).with_suffix("").parts)
    functions = {
        node.name: {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    asks = {"permissions.require", "permissions.user_transaction", "managing", "roles.managing"}
    asks |= {"changing_factors"}
    asks |= {name for name, calls in functions.items() if name.startswith("_") and calls & asks}
    return {
        f"{module}.{name}"
        for name, calls in functions.items()
        if not name.startswith("_") and calls & asks
    }


def test_every_state_change_by_a_user_is_among_the_cases() -> None:
    found = set().union(*(permission_checks(path) for path in DOMAIN.rglob("*.py")))
    assert found == CASES.keys() | READS | OPENS
