"""The report for a client."""

__all__ = [
    "client_report",
    "computation",
    "data",
    "delivery",
    "due",
    "preparing",
    "schedule",
    "sending",
]
