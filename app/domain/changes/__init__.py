"""Updates: eligibility, approval, execution and results."""

__all__ = [
    "approvals", "auto_update_rules", "bulk_assignment", "candidates", "dry_run", "execution",
    "fleet_updates", "late_failures", "outcomes", "proposals", "rule_coverage", "rule_hours",
    "settlement", "site_assignment", "site_probe",
]  # fmt: skip
