"""How far a connection came, step by step, for whoever has to explain where it ended."""

from __future__ import annotations

from dataclasses import dataclass

from app.http.certificates import CertificateFacts


@dataclass
class Trace:
    """Filled while a connection is made; what is still empty was not reached.

    `silent` are the addresses of the name that did not answer before one did, or none.
    """

    addresses: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    connect_ms: int | None = None
    tls_version: str = ""
    certificate: CertificateFacts | None = None
