"""The jobs a worker runs, one function for each kind; app/queue.py lists their names.

Each takes the id of the row it works on, opens the database and makes one domain call. It
returns the state in which that ended.
"""

from __future__ import annotations

from app import queue
from app.config import Config
from app.domain.audit import export, verification
from app.domain.changes import (
    canary_looks,
    dry_run,
    execution,
    late_failures,
    package_checks,
    release_comparisons,
    settlement,
)
from app.domain.connection import pairing, revocation, revocation_checks, rotation
from app.domain.crosscheck import site_log
from app.domain.diagnostics import runs
from app.domain.inventory import site_sync
from app.domain.notifications import delivery
from app.domain.page_checks import looks as page_looks
from app.domain.reporting import delivery as report_delivery
from app.domain.reporting import preparing
from app.domain.rollouts import looks
from app.domain.rollouts import upkeep as rollout_upkeep
from app.domain.uptime import domain_ends, rounds
from app.domain.vulnerabilities import findings, upkeep
from app.domain.webhooks import delivery as webhook_delivery
from app.domain.wordpress_org import asking, sources
from app.http import site_client
from app.models.base import utcnow
from app.models.reports import Sync
from app.report_pdf import render_report
from jobs import job_context
from jobs.concurrent import Concurrently, Overlapping

# A sync that begins later may not end within the job: the site may be asked at four addresses for
# 20 seconds each, and then its home page be looked at twice.
_BEGIN_WITHIN_S = queue.JOB_TIMEOUT_S - 100.0


def pair_site(pairing_id: int) -> str:
    """Ask a site whether its pairing token has arrived."""
    with job_context() as config:
        return pairing.attempt_pairing(pairing_id, config=config)


def rotate_keys(rotation_id: int) -> str:
    """Agree on new keys with a site."""
    with job_context() as config:
        return rotation.run_rotation(rotation_id, config=config)


def deliver_revocation(site_id: int) -> str:
    """Notify a site that its connection is revoked, and ask for proof that it disconnected."""
    with job_context() as config:
        return revocation.deliver_revocation(site_id, config=config)


def recheck_site(site_id: int) -> str:
    """Check that a connection which ended has not come back."""
    with job_context() as config:
        return revocation_checks.run(site_id, config=config)


def sync_site(sync_id: int) -> str:
    """Ask a site for its report."""
    with job_context() as config:
        return _sync(sync_id, config)


def sync_sites(*sync_ids: int) -> int:
    """Ask several sites for their reports at the same time; return how many.

    What did not begin in time is left to another job.

    Raises: ExceptionGroup of what was raised, after all of them have ended.
    """
    with job_context(is_shared=True) as config:
        syncs = Concurrently(
            lambda sync_id, overlapping: _sync(sync_id, config, overlapping),
            servers=Sync.servers(sync_ids),
            begin_within_s=_BEGIN_WITHIN_S,
        )
        try:
            syncs.run(sync_ids)
        finally:
            site_sync.enqueue_together(syncs.left)
    return len(sync_ids) - len(syncs.left)


def _sync(sync_id: int, config: Config, overlapping: Overlapping = lambda ask: ask) -> str:
    state = site_sync.run_sync(sync_id, config=config, call=overlapping(site_client.call))
    sync = Sync.get_or_none(Sync.id == sync_id)
    if sync is not None and sync.site.is_paired:
        findings.check_site(sync.site_id, utcnow())
        sources.check_site(sync.site_id, utcnow())
        look = overlapping(site_client.probe)
        late_failures.check_synced_site(sync.site, sync.error_code, config=config, look=look)
    return state


def check_uptime(*site_ids: int) -> int:
    """Request the front pages of several sites at the same time; return how many were checked."""
    with job_context(is_shared=True) as config:
        return rounds.run_round(
            site_ids, config=config, each=lambda work, ids: Concurrently(work).run(ids)
        )


def check_domains() -> int:
    """Ask registries when domains end, a few at a time; return how many were asked for."""
    with job_context() as config:
        return domain_ends.check_due(config)


def look_at_pages(site_id: int) -> str:
    """Look at the pages of a site that must still work, because a person asked for it."""
    with job_context() as config:
        return page_looks.look_now(site_id, config=config)


def update_vulnerabilities() -> str:
    """Fetch or import known vulnerabilities if that is due, and find out which sites have them."""
    with job_context() as config:
        return upkeep.update(config)


def read_log(site_id: int) -> str:
    """Read the new entries of a site's own log, and compare them with the audit log."""
    with job_context() as config:
        return site_log.read_site_log(site_id, config=config)


def run_diagnostics_on_site(diagnostic_run_id: int) -> str:
    """Test the connection to a site."""
    with job_context() as config:
        return runs.run_diagnostics(diagnostic_run_id, config=config)


def check_change(change_id: int) -> str:
    """Have a site check in a dry run whether it could apply a proposed change."""
    with job_context() as config:
        return dry_run.run_dry_run(change_id, config=config)


def check_package(package_id: int) -> str:
    """Download a package from WordPress.org, and compare it with what a site was given."""
    with job_context() as config:
        state = package_checks.check_package(package_id, config=config)
        release_comparisons.resume_with(package_id, utcnow())
        return state


def compare_release(comparison_id: int) -> str:
    """Compare the packages of two versions, which takes seconds to a minute."""
    with job_context() as config:
        return release_comparisons.compare(comparison_id, config=config)


def ask_wordpress_org() -> str:
    """Ask WordPress.org about the plugins and themes that are due."""
    with job_context() as config:
        return asking.ask_due(config)


def run_change(change_id: int) -> str:
    """Send an approved change to its site."""
    with job_context() as config:
        return execution.run_change(change_id, config=config)


def settle_change(change_id: int) -> str:
    """Ask a site for the result of a change whose response was lost."""
    with job_context() as config:
        return settlement.settle_change(change_id, config=config)


def advance_rollout(rollout_id: int) -> str:
    """Stop a rollout, or start its next wave, if that is due."""
    with job_context():
        return rollout_upkeep.advance_rollout(rollout_id, utcnow())


def look_at_rollout(change_id: int) -> str:
    """Look at the front page of a site that a rollout has updated."""
    with job_context() as config:
        return looks.look_at_rollout(change_id, config=config)


def look_at_canary(change_id: int) -> str:
    """Look at the front page of a site on which an auto-update rule installs releases first."""
    with job_context() as config:
        return canary_looks.look_at_canary(change_id, config=config)


def send_email(email_id: int) -> str:
    """Hand a message to the e-mail server."""
    with job_context() as config:
        return delivery.send_email(email_id, config=config)


def prepare_report(report_id: int) -> str:
    """Collect the data of a report for a client, and send it if it needs no approval."""
    with job_context() as config:
        return preparing.prepare_report(report_id, config=config, render=render_report)


def send_report(delivery_id: int) -> str:
    """Hand a report for a client to the e-mail server."""
    with job_context() as config:
        return report_delivery.deliver_report(delivery_id, config=config)


def send_webhook(message_id: int) -> str:
    """Post a message to a webhook."""
    with job_context() as config:
        return webhook_delivery.send_webhook(message_id, config=config)


def verify_audit_log(verification_id: int) -> str:
    """Verify the whole audit log."""
    with job_context():
        return verification.run_verification(verification_id)


def export_audit_log(export_id: int) -> str:
    """Write an export of the audit log."""
    with job_context() as config:
        return export.run_export(export_id, config=config)
