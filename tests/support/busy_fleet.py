"""Three paired sites, and data that gives each job and periodic task work to do."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from app.config import Config
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import export as exporting
from app.domain.audit import verification
from app.domain.audit.export_scope import ExportScope
from app.domain.changes import (
    auto_update_rules,
    canary_looks,
    dry_run,
    execution,
    package_checks,
    proposals,
    release_comparisons,
    settlement,
)
from app.domain.changes.approvals import Terms
from app.domain.changes.proposals import UpdateRequest
from app.domain.connection import pairing, revocation, revocation_checks, rotation
from app.domain.crosscheck import site_log
from app.domain.diagnostics import runs
from app.domain.inventory import site_sync
from app.domain.mail import outbox
from app.domain.notifications import delivery, preferences, watch, webhook_watch
from app.domain.notifications.preferences import Preferences
from app.domain.page_checks import looks as page_looks
from app.domain.page_checks import screenshots
from app.domain.reporting import delivery as report_delivery
from app.domain.reporting import sending
from app.domain.rollouts import looks, starting
from app.domain.rollouts import upkeep as rollout_upkeep
from app.domain.rollouts.wave_choice import WaveChoice
from app.domain.uptime import domain_ends, rounds
from app.domain.vulnerabilities import source, upkeep
from app.domain.webhooks import delivery as webhook_delivery
from app.domain.webhooks import outbox as webhook_outbox
from app.domain.wordpress_org import asking, sources
from app.http.site_client import ErrorCode
from app.http.webhook_client import WebhookReply
from app.models.accounts import User
from app.models.audit import Verification
from app.models.base import use_database, utcnow
from app.models.call_log import OK, SiteCall
from app.models.changes import SUCCEEDED, Change
from app.models.client_reports import ReportDelivery, SentReport
from app.models.clients import Client
from app.models.domains import DomainName
from app.models.email import OutgoingEmail
from app.models.exports import AuditLogExport
from app.models.packages import KnownPackage
from app.models.release_comparisons import ReleaseComparison
from app.models.reports import Sync
from app.models.rollouts import Rollout, RolloutUpdate
from app.models.site_pages import PageRound, SitePage
from app.models.sites import Pairing, Site
from app.models.update_backlog import UpdateBacklog
from app.models.uptime import RESULTS, SiteWatch, UptimeCheck
from app.models.webhooks import WebhookMessage
from jobs.concurrent import Concurrently, Overlapping
from tests.support.client_reports import make_due, no_pdf, prepare
from tests.support.emails import break_site, turn_email_on
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    make_site,
    pair,
    read_report,
    report,
    usual_window,
)
from tests.support.fake_looks import Eyes
from tests.support.fakes import Clock, FakeSite
from tests.support.front_pages import FrontPages
from tests.support.package_server import PATH, PackageServer, akismet, pins_of
from tests.support.registries import Registries
from tests.support.rules import terms
from tests.support.vulnerability_feeds import feed, record
from tests.support.webhooks import add_endpoint
from tests.support.wordpress_directory import Directory

COUNT = 3
# How many plugins and themes the sites have from WordPress.org.
SOFTWARE = 2
LONG_AGO = timedelta(hours=4)


@dataclass
class Fleet:
    """Paired sites that were synced hours ago; `clock` is the time of the sync."""

    ana: Actor
    config: Config
    clock: Clock
    sites: dict[int, FakeSite]

    @classmethod
    def make(cls, ana: Actor, config: Config) -> Fleet:
        fleet = cls(ana, config, Clock(utcnow() - LONG_AGO), {})
        for number in range(COUNT):
            fake = FakeSite(f"https://site{number}.example", fleet.clock, report())
            fake.report["wordpress"] |= {"home": fake.home, "site_url": fake.home}
            site = make_site(ana, now=fleet.clock(), url=fake.home, name=f"Site {number}")
            pair(site, fake, by=ana, config=config)
            read_report(site, fake, config=config)
            fleet.sites[site.id] = fake
        return fleet

    def rows(self) -> list[Site]:
        return list(Site.select().where(Site.id.in_(list(self.sites))))

    def propose(self) -> list[Change]:
        now = self.clock()
        wanted = [UpdateRequest(site, "plugin", AKISMET, "5.3.1") for site in self.rows()]
        return proposals.create_proposals(
            wanted, by=self.ana, now=now, reason="", window=usual_window(now), requested_at=now
        )

    def approve(self) -> list[Change]:
        return [
            approve(check(change, self.sites[change.site_id], self.config), self.ana, self.config,
                    self.clock())
            for change in self.propose()
        ]  # fmt: skip

    def answers_to(self, site_id: int) -> dict[str, object]:
        """Return the arguments with which a domain function calls this site."""
        fake = self.sites[site_id]
        return {"config": self.config, "call": fake.call, "now": fake.clock}

    def roll_out(self) -> Rollout:
        """Approve the updates in two waves, and have the first one end well."""
        batch = [
            check(change, self.sites[change.site_id], self.config) for change in self.propose()
        ]
        starting.approve_in_waves(
            batch,
            WaveChoice(count=COUNT - 1, percent=0, wait_hours=1),
            by=self.ana,
            seen={change.id: change.digest for change in batch},
            confirmed_at=self.clock(),
            config=self.config,
            now=self.clock(),
            terms=Terms(),
        )
        for one in RolloutUpdate.select().where(RolloutUpdate.wave == 1):
            site_id = one.change.site_id
            look = self.sites[site_id].look
            execution.run_change(one.change_id, look=look, **self.answers_to(site_id))
        self.clock.advance(hours=2)
        return Rollout.get()

    # ---- work for periodic tasks ----

    def let_syncs_be_due(self) -> None:
        Sync.delete().execute()

    def lose_syncs(self) -> None:
        Sync.delete().execute()
        for site in self.rows():
            Sync.ask(site, requested_by="Ana", now=self.clock())

    def leave(self) -> None:
        for site in self.rows():
            revocation.revoke_access(site, by=self.ana, now=self.clock())

    def lose_pairings(self) -> None:
        Pairing.update(state="waiting", next_attempt_at=self.clock(), leased_until=None).execute()

    def lose_rotations(self) -> None:
        rotation.rotate_all_keys(by=SYSTEM, config=self.config, now=self.clock())

    def lose_diagnostics(self) -> None:
        for site in self.rows():
            runs.request_diagnostics(site, by=self.ana, now=self.clock())

    def lose_looks(self) -> None:
        for site in self.rows():
            PageRound.request(site.id, self.clock())

    def let_rule_apply(self) -> None:
        rule = terms(self.clock)
        auto_update_rules.create_rule(
            rule, by=self.ana, confirmed_at=self.clock(), now=self.clock()
        )

    def see_package(self) -> list[int]:
        """Have every site report the same package of WordPress.org."""
        for change in self.propose():
            changes = self.sites[change.site_id].changes
            changes.package, changes.package_path = pins_of(akismet()), PATH
            check(change, self.sites[change.site_id], self.config)
        return [known.id for known in KnownPackage.select()]

    def report_software(self) -> int:
        """Have every site report what it has from WordPress.org; return how many there are."""
        for site in self.rows():
            sources.check_site(site.id, self.clock())
        return len(sources.in_fleet())

    def forget_verifications(self) -> None:
        Verification.delete().execute()

    def begin_a_day(self) -> None:
        UpdateBacklog.delete().execute()

    def call_yesterday(self) -> None:
        SiteCall.note("yesterday", 1, "ping", utcnow() - timedelta(days=1))
        SiteCall.finish(["yesterday"], OK, 5, 1)

    def let_reports_be_due(self) -> None:
        for number in range(COUNT):
            make_due(Client.named(f"Client {number}"), self.ana, self.clock())

    def wait_for_reports(self) -> list[SentReport]:
        turn_email_on(self.ana, self.config, self.clock())
        self.let_reports_be_due()
        return prepare(self.config, self.clock())

    def send_reports(self) -> list[ReportDelivery]:
        for waiting in self.wait_for_reports():
            sending.send_report(
                waiting,
                sending.seen_digest(waiting),
                no_pdf,
                by=self.ana,
                confirmed_at=self.clock(),
                config=self.config,
                now=self.clock(),
            )
        return list(ReportDelivery.select())

    def queue_emails(self) -> list[OutgoingEmail]:
        turn_email_on(self.ana, self.config, self.clock())
        content = {"sections": [{"heading": "New", "entries": [], "more": 0}]}
        user = User.get_by_id(self.ana.id)
        queued = (
            outbox.queue_email(user, "critical", "Critical: x", content, now=self.clock())
            for _ in range(COUNT)
        )
        return [email for email in queued if email is not None]

    def break_sites(self) -> None:
        """Prepare an e-mail to Ana that all sites are unreachable."""
        turn_email_on(self.ana, self.config, self.clock())
        chosen = Preferences(critical_now=True)
        preferences.change_preferences(chosen, by=self.ana, now=self.clock())
        for site in self.rows():
            break_site(site, self.clock())
        watch.notify_due(self.clock())

    def queue_webhooks(self) -> list[WebhookMessage]:
        endpoint, _ = add_endpoint(self.ana, self.config, self.clock())
        content = {"sections": []}
        return [
            webhook_outbox.queue_message(endpoint, "alert.opened", "x", content, now=self.clock())
            for _ in range(COUNT)
        ]

    def break_watched_sites(self) -> None:
        """Prepare a webhook message that all sites are unreachable."""
        add_endpoint(self.ana, self.config, self.clock())
        for site in self.rows():
            break_site(site, self.clock())
        webhook_watch.notify_due(self.config, self.clock())

    def upload_feed(self) -> None:
        file = io.BytesIO(feed(record(1)))
        source.accept_file_from_cli(file, by=self.ana, config=self.config, now=self.clock())

    def let_checks_be_due(self) -> None:
        SiteWatch.add_missing(self.clock())

    def keep_old_checks(self) -> None:
        for site in self.rows():
            UptimeCheck.note(site.id, self.clock() - timedelta(days=40), RESULTS[0], 200, 120)

    def keep_screenshots(self) -> None:
        for change_id in range(10_000, 10_000 + COUNT):
            screenshots.keep(change_id, "after", {0: {"phone": b"RIFF"}}, self.config)

    def lose_exports(self) -> None:
        for _ in range(COUNT):
            self.export()

    def export(self) -> AuditLogExport:
        covered = ExportScope("the whole audit log")
        return exporting.request_export(
            "jsonl", covered, by=self.ana, confirmed_at=self.clock(), now=self.clock()
        )


# A periodic task: how to create work for it, and how much that is.
PERIODIC: dict[str, tuple[Callable[[Fleet], object], int]] = {
    "notify_people": (Fleet.break_sites, 1),
    "recover_emails": (Fleet.queue_emails, COUNT),
    "prepare_reports": (Fleet.let_reports_be_due, COUNT),
    "recover_reports": (Fleet.send_reports, COUNT),
    "notify_webhooks": (Fleet.break_watched_sites, 1),
    "recover_webhooks": (Fleet.queue_webhooks, COUNT),
    "prune_screenshots": (Fleet.keep_screenshots, COUNT),
    "store_backlog": (Fleet.begin_a_day, COUNT),
    "recover_exports": (Fleet.lose_exports, COUNT),
    "retry_revocations": (Fleet.leave, COUNT),
    "apply_auto_update_rules": (Fleet.let_rule_apply, COUNT),
    "request_due_syncs": (Fleet.let_syncs_be_due, COUNT),
    "request_due_checks": (Fleet.let_checks_be_due, COUNT),
    "request_due_domains": (Fleet.let_checks_be_due, 1),
    "update_vulnerabilities": (Fleet.upload_feed, 1),
    "tidy_uptime": (Fleet.keep_old_checks, COUNT),
    "verify_audit_log": (Fleet.forget_verifications, 1),
    "recover_changes": (Fleet.propose, COUNT),
    "recover_looks": (Fleet.lose_looks, COUNT),
    "ask_wordpress_org": (Fleet.report_software, SOFTWARE),
    "recover_comparisons": (Fleet.see_package, 1),
    "advance_rollouts": (Fleet.roll_out, 1),
    "recover_package_checks": (Fleet.see_package, 1),
    "recover_diagnostics": (Fleet.lose_diagnostics, COUNT),
    "recover_pairings": (Fleet.lose_pairings, COUNT),
    "recover_rotations": (Fleet.lose_rotations, COUNT),
    "recover_syncs": (Fleet.lose_syncs, COUNT),
    "summarize_calls": (Fleet.call_yesterday, 1),
}


# ---- jobs for one site each, with their final state ----


def check_changes(fleet: Fleet) -> list[str]:
    return [
        dry_run.run_dry_run(change.id, **fleet.answers_to(change.site_id))
        for change in fleet.propose()
    ]


def check_packages(fleet: Fleet) -> list[str]:
    return [
        package_checks.check_package(
            known, config=fleet.config, fetch=PackageServer().fetch, now=fleet.clock
        )
        for known in fleet.see_package()
    ]


def ask_wordpress_org(fleet: Fleet) -> list[str]:
    fleet.report_software()
    return [asking.ask_due(fleet.config, ask=Directory().ask, now=fleet.clock)]


def compare_releases(fleet: Fleet) -> list[str]:
    check_packages(fleet)
    fleet.clock.advance(minutes=2)
    return [
        release_comparisons.compare(
            row.id, config=fleet.config, fetch=PackageServer().fetch, now=fleet.clock
        )
        for row in ReleaseComparison.select()
    ]


def run_changes(fleet: Fleet) -> list[str]:
    return [
        execution.run_change(
            change.id, look=fleet.sites[change.site_id].look, **fleet.answers_to(change.site_id)
        )
        for change in fleet.approve()
    ]  # fmt: skip


def look_at_rollouts(fleet: Fleet) -> list[str]:
    rollout = fleet.roll_out()
    return [
        looks.look_at_rollout(
            one.change_id,
            config=fleet.config,
            look=fleet.sites[one.change.site_id].look,
            now=fleet.clock,
        )
        for one in rollout.updates
        if one.wave == 1
    ]


def look_at_canaries(fleet: Fleet) -> list[str]:
    fleet.roll_out()
    return [
        canary_looks.look_at_canary(
            change.id,
            config=fleet.config,
            look=fleet.sites[change.site_id].look,
            now=fleet.clock,
        )
        for change in Change.select().where(Change.state == SUCCEEDED)
    ]


def advance_rollouts(fleet: Fleet) -> list[str]:
    look_at_rollouts(fleet)
    return [rollout_upkeep.advance_rollout(Rollout.get().id, fleet.clock())]


def settle_changes(fleet: Fleet) -> list[str]:
    for fake in fleet.sites.values():
        fake.losing = {"change.run"}
    run_changes(fleet)
    fleet.clock.advance(seconds=40)
    return [
        settlement.settle_change(
            change.id, look=fleet.sites[change.site_id].look, **fleet.answers_to(change.site_id)
        )
        for change in Change.select()
    ]  # fmt: skip


def run_diagnostics_on_sites(fleet: Fleet) -> list[str]:
    fleet.lose_diagnostics()
    requested = [
        runs.request_diagnostics(site, by=fleet.ana, now=fleet.clock()) for site in fleet.rows()
    ]
    return [
        runs.run_diagnostics(run.id, look=Eyes(), **fleet.answers_to(run.site_id))
        for run in requested
    ]


def export_audit_logs(fleet: Fleet) -> list[str]:
    return [exporting.run_export(fleet.export().id, config=fleet.config, now=fleet.clock)]


def pair_sites(fleet: Fleet) -> list[str]:
    found = []
    for number in range(COUNT):
        fake = FakeSite(f"https://new{number}.example", fleet.clock, report())
        site = make_site(fleet.ana, now=fleet.clock(), url=fake.home, name=f"New {number}")
        token, text = pairing.issue_token(
            site, by=fleet.ana, config=fleet.config, now=fleet.clock()
        )  # fmt: skip
        fake.paste(text)
        found.append(
            pairing.attempt_pairing(token.id, config=fleet.config, call=fake.call, now=fake.clock)
        )  # fmt: skip
    return found


def read_logs(fleet: Fleet) -> list[str]:
    for fake in fleet.sites.values():
        fake.write("permissions_changed", "user:1")
    return [site_log.read_site_log(site_id, **fleet.answers_to(site_id)) for site_id in fleet.sites]


def rotate_keys(fleet: Fleet) -> list[str]:
    rotations = rotation.rotate_all_keys(by=SYSTEM, config=fleet.config, now=fleet.clock())
    return [rotation.run_rotation(row.id, **fleet.answers_to(row.site_id)) for row in rotations]


def deliver_revocations(fleet: Fleet) -> list[str]:
    fleet.leave()
    for fake in fleet.sites.values():
        fake.failing = [ErrorCode.too_slow] * 9
    return [
        revocation.deliver_revocation(
            site_id, call_bearer=fleet.sites[site_id].call_bearer, **fleet.answers_to(site_id)
        )
        for site_id in fleet.sites
    ]  # fmt: skip


def recheck_sites(fleet: Fleet) -> list[str]:
    fleet.leave()
    found = []
    for site_id, fake in fleet.sites.items():
        arguments = {**fleet.answers_to(site_id), "call_bearer": fake.call_bearer}
        revocation.deliver_revocation(site_id, **arguments)
        fleet.clock.advance(days=2)
        del arguments["call"]
        found.append(revocation_checks.run(site_id, **arguments))
    return found


def sync_sites(fleet: Fleet) -> list[str]:
    """Run as in one job: at the same time, over one database connection."""
    fleet.lose_syncs()
    site_ids = {sync.id: sync.site_id for sync in Sync.select()}
    ended: list[str] = []

    def sync(sync_id: int, overlapping: Overlapping) -> None:
        answers = fleet.answers_to(site_ids[sync_id])
        answers["call"] = overlapping(fleet.sites[site_ids[sync_id]].call)
        ended.append(site_sync.run_sync(sync_id, **answers))

    use_database(fleet.config.database_url, is_shared=True)
    Concurrently(sync).run(site_ids)
    use_database(fleet.config.database_url)
    return ended


def sync_each_site(fleet: Fleet) -> list[str]:
    fleet.lose_syncs()
    return [
        site_sync.run_sync(sync.id, **fleet.answers_to(sync.site_id))
        for sync in list(Sync.select())
    ]


def verify_audit_logs(fleet: Fleet) -> list[str]:
    requested = verification.request_verification(by=fleet.ana, now=fleet.clock())
    return [verification.run_verification(requested.id, now=fleet.clock)]


def check_front_pages(fleet: Fleet) -> list[str]:
    """Run as in one job: at the same time, over one database connection."""
    pages = FrontPages(fleet.clock)
    fleet.let_checks_be_due()
    fleet.clock.advance(minutes=5)
    use_database(fleet.config.database_url, is_shared=True)
    count = rounds.run_round(
        fleet.sites,
        config=fleet.config,
        each=lambda work, ids: Concurrently(work).run(ids),
        fetch=pages.fetch,
        now=fleet.clock,
    )
    use_database(fleet.config.database_url)
    return [SiteWatch.get_by_id(site_id).state for site_id in fleet.sites][:count]


def send_emails(fleet: Fleet) -> list[str]:
    arguments = {"config": fleet.config, "now": fleet.clock}
    return [
        delivery.send_email(email.id, send=lambda *_: "250 Ok", **arguments)
        for email in fleet.queue_emails()
    ]


def prepare_reports(fleet: Fleet) -> list[str]:
    return [str(waiting.state) for waiting in fleet.wait_for_reports()]


def send_reports(fleet: Fleet) -> list[str]:
    arguments = {"config": fleet.config, "now": fleet.clock}
    return [
        report_delivery.deliver_report(one.id, send=lambda *_: "250 Ok", **arguments)
        for one in fleet.send_reports()
    ]


def send_webhooks(fleet: Fleet) -> list[str]:
    arguments = {"config": fleet.config, "now": fleet.clock}
    return [
        webhook_delivery.send_webhook(
            message.id, post=lambda *_, **__: WebhookReply(200), **arguments
        )
        for message in fleet.queue_webhooks()
    ]


def check_domains(fleet: Fleet) -> list[str]:
    fleet.let_checks_be_due()
    domain_ends.check_due(fleet.config, fetch=Registries().fetch, now=fleet.clock)
    return [str(domain.problem) for domain in DomainName.select()]


def update_vulnerabilities(fleet: Fleet) -> list[str]:
    fleet.upload_feed()
    return [upkeep.update(fleet.config, now=fleet.clock)]


def look_at_pages(fleet: Fleet) -> list[str]:
    ended = []
    for site_id, fake in fleet.sites.items():
        SitePage.insert_one(site=site_id, path="/contact/")
        PageRound.request(site_id, fleet.clock())
        ended.append(
            page_looks.look_now(site_id, config=fleet.config, probe=fake.look, now=fleet.clock)
        )
    return ended


JOBS: dict[str, tuple[Callable[[Fleet], list[str]], list[str]]] = {
    "check_domains": (check_domains, ["no_rdap"] * COUNT),
    "check_uptime": (check_front_pages, ["up"] * COUNT),
    "advance_rollout": (advance_rollouts, ["started"]),
    "look_at_canary": (look_at_canaries, ["ok"] * (COUNT - 1)),
    "look_at_rollout": (look_at_rollouts, ["ok"] * (COUNT - 1)),
    "check_change": (check_changes, ["proposed"] * COUNT),
    "ask_wordpress_org": (ask_wordpress_org, ["asked"]),
    "check_package": (check_packages, ["checked"]),
    "compare_release": (compare_releases, ["done"]),
    "run_diagnostics_on_site": (run_diagnostics_on_sites, ["done"] * COUNT),
    "export_audit_log": (export_audit_logs, ["done"]),
    "look_at_pages": (look_at_pages, ["looked at 1"] * COUNT),
    "pair_site": (pair_sites, ["used"] * COUNT),
    "prepare_report": (prepare_reports, ["waiting"] * COUNT),
    "read_log": (read_logs, ["read"] * COUNT),
    "recheck_site": (recheck_sites, ["still ended"] * COUNT),
    "rotate_keys": (rotate_keys, ["done"] * COUNT),
    "run_change": (run_changes, ["succeeded"] * COUNT),
    "deliver_revocation": (deliver_revocations, ["revoked_unreached"] * COUNT),
    "send_report": (send_reports, ["sent"] * COUNT),
    "send_email": (send_emails, ["sent"] * COUNT),
    "send_webhook": (send_webhooks, ["sent"] * COUNT),
    "settle_change": (settle_changes, ["succeeded"] * COUNT),
    "sync_site": (sync_each_site, ["done"] * COUNT),
    "sync_sites": (sync_sites, ["done"] * COUNT),
    "update_vulnerabilities": (update_vulnerabilities, ["imported"]),
    "verify_audit_log": (verify_audit_logs, ["whole"]),
}
