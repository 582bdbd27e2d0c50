"""Record how far a connection to a site got, for diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from app.http.certificates import CertificateFacts


@dataclass
class Trace:
    """The steps of a connection, filled while it is made; empty fields were not reached.

    `silent` lists the addresses of the host that did not answer.
    """

    addresses: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    connect_ms: int | None = None
    first_byte_ms: int | None = None
    tls_version: str = ""
    certificate: CertificateFacts | None = None
