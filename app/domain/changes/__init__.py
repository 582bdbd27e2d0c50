"""Updates: eligibility, approval, execution and results."""
