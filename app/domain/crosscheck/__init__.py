"""Comparison of Aura's audit log with the logs that sites keep."""
