"""Updates: eligibility, approval, execution and results."""

__all__ = [
    "approvals", "auto_update_rules", "candidates", "dry_run", "eligibility", "execution",
    "late_failures", "outcomes", "proposals", "rule_coverage", "settlement", "site_assignment",
]  # fmt: skip
