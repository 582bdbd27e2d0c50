"""What time alone makes due: reports, goodbyes, and work that was lost on the way."""

from __future__ import annotations

from app.domain.audit import export, refusals, verification
from app.domain.changes import auto_update_rules, execution
from app.domain.connection import pairing, revocation, revocation_checks, rotation
from app.domain.diagnostics import scheduling
from app.domain.inventory import site_sync
from app.models.base import utcnow
from jobs import job_context


def due_syncs() -> int:
    with job_context() as config:
        return len(site_sync.request_due(utcnow(), every_minutes=config.sync_every_minutes))


def due_goodbyes() -> int:
    with job_context():
        return len(revocation.retry_due_revocations(utcnow())) + len(
            revocation_checks.request_due(utcnow())
        )


def lost_pairings() -> int:
    with job_context():
        return pairing.recover_pairings(utcnow())


def lost_syncs() -> int:
    with job_context():
        return site_sync.recover(utcnow())


def lost_rotations() -> int:
    with job_context():
        return rotation.recover_rotations(utcnow())


def lost_examinations() -> int:
    with job_context():
        return scheduling.recover_examinations(utcnow())


def lost_changes() -> int:
    with job_context():
        return execution.recover_changes(utcnow())


def due_policies() -> int:
    with job_context() as config:
        # What waits for its release does not depend on what is proposed next.
        return auto_update_rules.approve_due(config, utcnow()) + auto_update_rules.propose_due(
            utcnow()
        )


def due_verification() -> int:
    with job_context():
        return verification.queue_due_verification(utcnow()) + refusals.close_hours(utcnow())


def due_exports() -> int:
    with job_context() as config:
        return export.queue_due_exports(config, utcnow())
