"""The report for a client."""
