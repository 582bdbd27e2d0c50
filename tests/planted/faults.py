"""Thirty faults in the rules that matter most, each one wrong line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Replace `before`, which occurs once in the file `path`, by `after`.

    `tests` are the files in which the fault should be found, separated by spaces.
    """

    name: str
    path: str
    before: str
    after: str
    tests: str


FAULTS = (
    # ---- which updates are possible ----
    Fault(
        "an older PHP than the update requires is accepted",
        "app/domain/inventory/eligibility.py",
        "if is_above(needed, present):",
        "if is_above(present, needed):",
        "tests/unit/test_eligibility.py",
    ),
    Fault(
        "a report never becomes too old",
        "app/domain/inventory/eligibility.py",
        "case.now - taken > STALE_AFTER",
        "case.now < taken",
        "tests/unit/test_eligibility.py",
    ),
    Fault(
        "an open incident blocks nothing",
        "app/domain/inventory/eligibility.py",
        'Reason("open_incident") if case.around.has_incident else None',
        "None",
        "tests/unit/test_eligibility.py tests/domain/test_changes.py tests/domain/test_dry_run.py",
    ),
    Fault(
        "a permission that the site does not name counts as granted",
        "app/domain/inventory/eligibility.py",
        'return Reason("permission_unknown", {"permission": permission})',
        "return None",
        "tests/unit/test_eligibility.py",
    ),
    # ---- what is approved ----
    Fault(
        "an approval needs no recent password",
        "app/domain/changes/approvals.py",
        """    permissions.require(by, "decide")
    permissions.require_recent_authentication(confirmed_at, now)
    chosen""",
        """    permissions.require(by, "decide")
    chosen""",
        "tests/domain/test_changes.py tests/web/test_approve_change.py",
    ),
    Fault(
        "a proposer may always approve their own update",
        "app/domain/changes/approvals.py",
        "may_be_proposer=site.approvals == SELF_APPROVAL,",
        "may_be_proposer=True,",
        "tests/domain/test_changes.py tests/web/test_approve_change.py",
    ),
    Fault(
        "new keys do not make a plan stale",
        "app/domain/changes/approvals.py",
        "if site.key_id != change.kid:",
        "if False:",
        "tests/domain/test_changes.py tests/domain/test_dry_run.py tests/domain/run_change",
    ),
    Fault(
        "any plan with an approval passes for the approved one",
        "app/domain/changes/change_plan.py",
        "return isinstance(approval, dict) and is_same and digest_of(document) == digest",
        "return isinstance(approval, dict)",
        "tests/domain/run_change tests/domain/test_changes.py tests/domain/test_dry_run.py",
    ),
    Fault(
        "the dashboard does not check its own signature before it sends",
        "app/domain/changes/execution.py",
        "if not is_ours or not change_plan.is_plan_of(plan, document, change.digest):",
        "if not change_plan.is_plan_of(plan, document, change.digest):",
        "tests/domain/run_change",
    ),
    # ---- what came of it ----
    Fault(
        "a lost answer counts as a failure",
        "app/http/errors.py",
        'too_slow = "too_slow", _TRANSIENT, _UNANSWERED',
        'too_slow = "too_slow", _TRANSIENT, _NOTHING_SENT, _UNANSWERED',
        "tests/domain/run_change",
    ),
    Fault(
        "a rollback is believed without evidence",
        "app/domain/changes/outcomes.py",
        "if outcome.state == ROLLED_BACK:",
        "if False:",
        "tests/unit/test_believe_a_rollback.py tests/domain/run_change",
    ),
    # ---- who is signed in, and what they see ----
    Fault(
        "an idle session never ends",
        "app/domain/accounts/sessions.py",
        "now - session.created_at >= MAX_LIFETIME or now - session.last_seen_at >= IDLE_TIMEOUT",
        "now - session.created_at >= MAX_LIFETIME",
        "tests/domain/test_accounts.py tests/web/test_end_session.py tests/web/test_sign_in.py",
    ),
    Fault(
        "a session outlives a new password",
        "app/domain/accounts/sessions.py",
        "if user.is_disabled or epoch != str(user.session_epoch):",
        "if user.is_disabled:",
        "tests/domain/test_accounts.py tests/web/test_change_password.py "
        "tests/web/test_end_session.py",
    ),
    Fault(
        "a client user sees every client's sites",
        "app/domain/permissions.py",
        "return visibility_of(actor).has(site.client_id)",
        "return True",
        "tests/web/test_decide_as_client.py tests/domain/test_accounts.py",
    ),
    Fault(
        "a person of the agency sees more clients than were chosen",
        "app/models/visibility.py",
        "return client_id.in_(sorted(self.client_ids))",
        'return SQL("1 = 1")',
        "tests/web/test_see_only_some_clients.py",
    ),
    Fault(
        "a used invitation goes on working",
        "app/domain/accounts/one_time_links.py",
        "if user is None or user.session_epoch != epoch:",
        "if user is None:",
        "tests/domain/test_accounts.py tests/web/test_invite_user.py",
    ),
    # ---- the two logs ----
    Fault(
        "a log that does not know its own head is no fork",
        "app/domain/connection/quarantine.py",
        "if known is False or is_other or (goes_back and not is_overtaken):",
        "if is_other or (goes_back and not is_overtaken):",
        "tests/domain/test_quarantine.py",
    ),
    Fault(
        "an unsigned checkpoint is believed",
        "app/domain/audit/checkpoints.py",
        "    if not is_signed:\n",
        "    if False:\n",
        "tests/domain/test_checkpoints.py tests/domain/test_quarantine.py",
    ),
    Fault(
        "a call that Aura never made raises no alert",
        "app/domain/crosscheck/reconcile.py",
        "        *_calls_unknown(sides),\n",
        "",
        "tests/domain/test_log_comparison.py",
    ),
    # ---- requests to a site ----
    Fault(
        "a request may be as old as it likes",
        "wordpress-plugin/siteagent/includes/http/class-siteagent-http-signature.php",
        "if ( abs( $now - $request['created'] ) > self::MAX_SKEW_S ) {",
        "if ( false ) {",
        "tests/plugin/test_contract.py tests/plugin/test_gate.py",
    ),
    Fault(
        "a nonce may be used twice",
        "wordpress-plugin/siteagent/includes/http/class-siteagent-request-handler.php",
        "$this->nonce_store->claim_nonce( $verified, $now );",
        "",
        "tests/plugin/test_gate.py",
    ),
    Fault(
        "a query beside the route is accepted",
        "wordpress-plugin/siteagent/includes/http/class-siteagent-request-handler.php",
        "if ( ! $request->is_body_only() ) {",
        "if ( false ) {",
        "tests/plugin/test_gate.py",
    ),
    Fault(
        "an unsigned plan is opened",
        "wordpress-plugin/siteagent/includes/operations/class-siteagent-signed-plan.php",
        "if ( ! self::is_valid_signature( $public, $bytes, $raw_signature ) ) {",
        "if ( false ) {",
        "tests/plugin/test_contract.py tests/plugin/test_change_refused.py",
    ),
    Fault(
        "a plan for another site is opened",
        "wordpress-plugin/siteagent/includes/operations/class-siteagent-signed-plan.php",
        "			'site'  => $uuid,\n",
        "",
        "tests/plugin/test_contract.py tests/plugin/test_change_refused.py",
    ),
    # ---- what the site's owner decides ----
    Fault(
        "a permission that was not granted is",
        "wordpress-plugin/siteagent/includes/permissions/class-siteagent-permissions.php",
        "return in_array( $permission, self::ALL, true ) && in_array(",
        "return in_array( $permission, self::ALL, true ) || in_array(",
        "tests/plugin/test_change_refused.py tests/plugin/test_change_allowed.py",
    ),
    Fault(
        "the owner's own approval is not asked for",
        "wordpress-plugin/siteagent/includes/permissions/class-siteagent-permissions.php",
        "return ! empty( $data['connection']['permissions']['approval_on_site'] );",
        "return false;",
        "tests/plugin/test_change_allowed.py",
    ),
    # ---- the update itself ----
    Fault(
        "one operation number may stand for two plans",
        "wordpress-plugin/siteagent/includes/operations/class-siteagent-operation-store.php",
        "! hash_equals( (string) $row['digest'], bin2hex( $digest ) )",
        "false",
        "tests/plugin/test_change_run.py tests/plugin/test_change_refused.py",
    ),
    Fault(
        "an operation is carried out again for each delivery",
        "wordpress-plugin/siteagent/includes/operations/class-siteagent-operation-store.php",
        "		if ( 1 !== $inserted ) {\n",
        "		if ( false ) {\n",
        "tests/plugin/test_change_run.py tests/plugin/test_operations.py",
    ),
    Fault(
        "the watchdog never restores the kept copy",
        "wordpress-plugin/siteagent/includes/rollback/class-siteagent-rollback-watchdog.php",
        "		if ( ! is_dir( $this->run['folder'] ) || ! $this->lock_restore() ) {\n",
        "		if ( true ) {\n",
        "tests/plugin/test_change_run.py tests/plugin/test_change_interrupted.py",
    ),
    Fault(
        "an entry of the site's log is not chained to the one before",
        "wordpress-plugin/siteagent/includes/audit/class-siteagent-audit-log.php",
        "				self::hash( $seq, $prev, $body )",
        "				self::hash( $seq, '', $body )",
        "tests/plugin/test_log.py",
    ),
    Fault(
        "a form needs no nonce",
        "wordpress-plugin/siteagent/includes/admin/class-siteagent-form-handling.php",
        "		check_admin_referer( $action );\n",
        "",
        "tests/plugin/test_admin.py",
    ),
)
