"""The periodic tasks: work that is due by the clock, and work whose job was lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import datetime

from app.config import Config
from app.domain.audit import call_log, export, refusals, verification
from app.domain.changes import (
    auto_update_rules,
    execution,
    package_checks,
    package_refusals,
    release_comparisons,
)
from app.domain.connection import pairing, revocation, revocation_checks, rotation
from app.domain.diagnostics import runs
from app.domain.inventory import site_sync, update_backlog
from app.domain.mail import outbox
from app.domain.notifications import watch, webhook_watch
from app.domain.page_checks import looks, screenshots
from app.domain.reporting import delivery as report_delivery
from app.domain.reporting import preparing
from app.domain.rollouts import upkeep as rollout_upkeep
from app.domain.uptime import domain_ends, rounds, upkeep
from app.domain.vulnerabilities import upkeep as vulnerability_upkeep
from app.domain.webhooks import outbox as webhook_outbox
from app.domain.wordpress_org import asking
from app.models.base import utcnow
from jobs import job_context

# Each task returns how much it found to do.
TASKS: dict[str, Callable[[Config, datetime], int]] = {
    "request_due_syncs": lambda config, now: len(
        site_sync.request_due(now, every_minutes=config.sync_every_minutes)
    ),
    "request_due_checks": lambda _, now: rounds.request_due(now),
    "request_due_domains": domain_ends.request_due,
    "tidy_uptime": lambda _, now: upkeep.tidy(now),
    "update_vulnerabilities": lambda _, now: vulnerability_upkeep.request_due(now),
    "retry_revocations": lambda _, now: (
        len(revocation.retry_due_revocations(now)) + len(revocation_checks.request_due(now))
    ),
    "recover_pairings": lambda _, now: pairing.recover_pairings(now),
    "recover_syncs": lambda config, now: site_sync.recover(config, now),
    "recover_rotations": lambda _, now: rotation.recover_rotations(now),
    "recover_diagnostics": lambda _, now: runs.recover_diagnostics(now),
    "ask_wordpress_org": asking.request_due,
    "recover_package_checks": lambda _, now: (
        package_checks.recover_checks(now) + package_refusals.close_gone(now)
    ),
    "recover_comparisons": lambda _, now: release_comparisons.recover_comparisons(now),
    "recover_looks": lambda _, now: looks.recover_looks(now),
    "recover_changes": lambda _, now: execution.recover_changes(now),
    "advance_rollouts": lambda _, now: rollout_upkeep.advance_due(now),
    # What waits for approval does not depend on what is proposed next, so it comes first.
    "apply_auto_update_rules": lambda config, now: (
        auto_update_rules.approve_due(config, now) + auto_update_rules.propose_due(now)
    ),
    "verify_audit_log": lambda _, now: (
        verification.queue_due_verification(now) + refusals.close_hours(now)
    ),
    "summarize_calls": lambda config, now: call_log.summarize_due(config, now),
    "prune_screenshots": screenshots.prune,
    "store_backlog": lambda _, now: update_backlog.store_today(now),
    "recover_exports": lambda config, now: export.queue_due_exports(config, now),
    "notify_people": lambda _, now: watch.notify_due(now),
    "recover_emails": lambda _, now: outbox.recover_emails(now),
    "prepare_reports": lambda config, now: preparing.prepare_due(config, now),
    "recover_reports": lambda _, now: report_delivery.recover_deliveries(now),
    "notify_webhooks": lambda config, now: webhook_watch.notify_due(config, now),
    "recover_webhooks": lambda _, now: webhook_outbox.recover_messages(now),
}


def run(limit: Callable[[], AbstractContextManager[None]] = nullcontext) -> dict[str, int]:
    """Run every task in order, and return how much each of them found to do.

    Each task runs in a block of its own that `limit` returns. A task that raises does not keep the
    others from running; its error is raised after them.
    """
    done: dict[str, int] = {}
    with job_context() as config, ExitStack() as stack:
        # An ExitStack calls all its callbacks, last first, even after one of them has raised.
        for name in reversed(TASKS):
            stack.callback(_run_task, name, config, done, limit)
    return done


def _run_task(
    name: str,
    config: Config,
    done: dict[str, int],
    limit: Callable[[], AbstractContextManager[None]],
) -> None:
    with limit():
        done[name] = TASKS[name](config, utcnow())
