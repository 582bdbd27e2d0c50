"""Updates: eligibility, approval, execution and results."""

__all__ = [
    "approvals", "auto_update_rules", "bulk_assignment", "canary_looks", "candidates",
    "change_times", "dry_run", "execution", "fleet_experience", "fleet_updates", "freezes",
    "late_failures", "maintenance_windows", "outcomes", "package_checks", "package_refusals",
    "packages", "page_evidence", "page_questions", "proposals", "release_comparisons",
    "release_difference", "release_findings", "rest_decisions", "rest_period", "rule_canaries",
    "rule_coverage", "rule_hours", "rule_terms", "settlement", "site_assignment", "site_probe",
    "stop_switch", "update_evidence", "vulnerability_updates", "warned_releases", "waves",
]  # fmt: skip
