"""The authorities that Aura trusts, and descriptions of certificates that have to be renewed."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

_SHOWN_NAMES = 5


@dataclass(frozen=True)
class CertificateFacts:
    """The claims of a certificate that was not verified: for display only, never for decisions."""

    subject: str
    issuer: str
    names: str
    not_before: str
    not_after: str


def certificate_facts(der: bytes) -> CertificateFacts:
    """Parse a DER certificate.

    Raises: ValueError if it is not one, or if it has what no certificate has.
    """
    try:
        return _read_facts(x509.load_der_x509_certificate(der))
    # Of a version or a name that does not exist, cryptography raises these.
    except (x509.InvalidVersion, TypeError) as why:
        raise ValueError(str(why)) from why


def _read_facts(certificate: x509.Certificate) -> CertificateFacts:
    return CertificateFacts(
        subject=_common_name(certificate.subject),
        issuer=_common_name(certificate.issuer),
        names=_names(certificate),
        not_before=f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        not_after=f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    )


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _names(certificate: x509.Certificate) -> str:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ""
    names = [str(name.value) for name in extension.value]
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


@functools.lru_cache(maxsize=4)
def _trusting(ca_file: str, written_ns: int) -> ssl.SSLContext:
    """Return a context that trusts the authorities in a file, which was written at that time.

    Reading the usual ones takes longer than the rest of a call, so connections share contexts.
    """
    context = create_urllib3_context()
    context.load_verify_locations(ca_file)
    return context


def read_authorities(ca_file: str | None = None) -> ssl.SSLContext:
    """Return the context for these authorities, or the usual ones; read the file if it is new."""
    path = ca_file or DEFAULT_CA_BUNDLE_PATH
    return _trusting(path, Path(path).stat().st_mtime_ns)
