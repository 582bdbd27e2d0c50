"""Make certificates: a small authority, and certificates that it or another one signed."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM
# The beginning of the version field in a certificate, and version 3 (RFC 5280, 4.1.2.1).
_VERSION = bytes.fromhex("a0030201")
_VERSION_3 = 2


@dataclass
class Authority:
    """An authority that signs for any name. Its certificate is the file `ca_file`."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        now = datetime.now(UTC)
        certificate = (
            _builder(self._name, self._name, self._key, now - DAY, now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = self.folder / "authority.pem"
        self.ca_file.write_bytes(certificate.public_bytes(PEM))

    def server(
        self,
        name: str,
        *,
        starts: timedelta = -DAY,
        ends: timedelta = DAY,
        vouched: bool = True,
        version: int = _VERSION_3,
    ) -> ssl.SSLContext:
        """Return the TLS context of a server `name`; `vouched=False` makes it self-signed.

        Another `version` replaces the right one, which breaks the signature.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = _builder(
            subject, self._name if vouched else subject, key, now + starts, now + ends
        ).add_extension(x509.SubjectAlternativeName([_alternative(name)]), critical=False)
        certificate = builder.sign(self._key if vouched else key, hashes.SHA256())
        der = certificate.public_bytes(serialization.Encoding.DER)
        der = der.replace(_VERSION + bytes([_VERSION_3]), _VERSION + bytes([version]), 1)
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            ssl.DER_cert_to_PEM_cert(der).encode()
            + key.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
