"""The connection to a site, from pairing to revocation."""

__all__ = [
    "calls", "handshake", "health", "pairing", "quarantine", "revocation", "revocation_checks",
    "rotation",
]  # fmt: skip
