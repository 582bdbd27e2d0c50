"""The client of an OpenID provider: discovery, the authorization code flow, and the ID token.

The provider is what an owner entered, so each request goes through the same guard as a call to a
site: no redirects, a size limit and a time limit. Nothing in an answer counts before the signature
of the ID token is verified, except that its endpoints belong to the issuer (OpenID Connect
Discovery 1.0, Core 1.0; PKCE: RFC 7636; issuer in the answer: RFC 9207).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from app.http import site_client
from app.http.ip_policy import Network
from app.http.response import FORM, json_object
from app.http.site_client import ProbeResponse

TIME_LIMIT_S = 5.0
MAX_BYTES = 256 * 1024
MAX_TEXT_CHARS = 255
# Clocks of Aura and of the provider may differ.
_LEEWAY_S = 60
# Signatures with a public key only: with any other, what an attacker knows could sign (RFC 8725).
_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
_BASIC, _POST = "client_secret_basic", "client_secret_post"
_SCOPE = "openid email profile"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

ProbeCall = Callable[..., ProbeResponse]


class ProviderError(Exception):
    """The provider did not answer as it should; `message` is the text for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Provider:
    """What discovery returned. `names_issuer`: each answer has to name the issuer."""

    issuer: str
    authorization: str
    token: str
    keys: str
    authentication: str
    names_issuer: bool


@dataclass(frozen=True)
class Client:
    """What Aura is at the provider."""

    client_id: str
    secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True)
class Secrets:
    """What belongs to one sign-in: `state` to the answer, `nonce` to the token, `verifier` to both.

    `max_age_s` is how long ago the person may have signed in at the provider; None for any time.
    """

    state: str
    nonce: str
    verifier: str = field(repr=False)
    max_age_s: int | None = None


@dataclass(frozen=True)
class Identity:
    """Who signed in, as the verified ID token says. `signed_in_at` is None if it does not say."""

    issuer: str
    subject: str
    email: str
    is_email_verified: bool
    name: str
    signed_in_at: datetime | None


def is_usable_address(url: str) -> bool:
    """Whether a provider may be at this address: https, or http on this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc) and url.isascii()
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return bool(parts.hostname) and is_plain and is_safe and url.isprintable() and " " not in url


def discover(
    issuer: str, *, allow_nets: tuple[Network, ...], probe: ProbeCall = site_client.probe
) -> Provider:
    """Return the endpoints of a provider. Raises: ProviderError."""
    url = get_well_known_url(issuer, external=True)
    found = _read(probe(url, **_limits(allow_nets)), "its configuration")
    if found.get("issuer") != issuer:
        raise ProviderError(
            f"The configuration at {url} is of another issuer. Enter the issuer exactly as the "
            "provider shows it."
        )
    endpoints = {
        name: str(found.get(name, ""))
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    for name, address in endpoints.items():
        if not is_usable_address(address.partition("?")[0]):
            raise ProviderError(f"The configuration of the provider has no usable {name}.")
    methods = found.get("token_endpoint_auth_methods_supported") or [_BASIC]
    if not isinstance(methods, list) or (_BASIC not in methods and _POST not in methods):
        raise ProviderError("The provider does not accept a client secret.")
    return Provider(
        issuer=issuer,
        authorization=endpoints["authorization_endpoint"],
        token=endpoints["token_endpoint"],
        keys=endpoints["jwks_uri"],
        authentication=_BASIC if _BASIC in methods else _POST,
        names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def authorization_url(provider: Provider, client: Client, secrets: Secrets) -> str:
    """Return the address at the provider where the person signs in."""
    is_fresh = secrets.max_age_s is not None
    url: str = prepare_grant_uri(
        provider.authorization,
        client.client_id,
        "code",
        client.redirect_uri,
        _SCOPE,
        secrets.state,
        nonce=secrets.nonce,
        code_challenge=create_s256_code_challenge(secrets.verifier),
        code_challenge_method="S256",
        max_age=secrets.max_age_s,
        prompt="login" if is_fresh else None,
    )
    return url


def fetch_identity(
    provider: Provider,
    client: Client,
    secrets: Secrets,
    code: str,
    *,
    allow_nets: tuple[Network, ...],
    now: datetime,
    probe: ProbeCall = site_client.probe,
) -> Identity:
    """Exchange the code of an answer for the ID token, and return who it is about.

    Raises: ProviderError.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": secrets.verifier,
    }
    headers = {"Content-Type": FORM, "Accept": "application/json"}
    if provider.authentication == _BASIC:
        headers["Authorization"] = _basic(client)
    else:
        form |= {"client_id": client.client_id, "client_secret": client.secret}
    body, limits = urlencode(form).encode("ascii"), _limits(allow_nets)
    answer = _read(probe(provider.token, headers=headers, body=body, **limits), "the sign-in")
    keys = _read(probe(provider.keys, **limits), "its keys")
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise ProviderError("The provider sent no ID token.")
    return _identity(_verified(token, keys, provider, client, secrets, now))


def _verified(
    token: str,
    keys: Any,
    provider: Provider,
    client: Client,
    secrets: Secrets,
    now: datetime,
) -> Mapping[str, Any]:
    """Return the claims of an ID token that was made for this client and this sign-in."""
    try:
        decoded = jwt.decode(token, _known_keys(keys), algorithms=_ALGORITHMS)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": client.client_id},
            },
            params={
                "nonce": secrets.nonce,
                "client_id": client.client_id,
                "max_age": secrets.max_age_s is not None,
            },
        )
        claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_S)
    except (JoseError, ValueError, KeyError, TypeError) as why:
        reason = getattr(why, "description", "") or type(why).__name__
        raise ProviderError(f"The ID token of the provider is not valid: {reason}") from why
    return dict(claims)


def _known_keys(found: Any) -> KeySet:
    """Return the keys of a set whose kind is known; others are to be ignored (RFC 7517, 5)."""
    known: list[Key] = []
    for one in found["keys"]:
        with suppress(JoseError, ValueError, KeyError, TypeError, AttributeError):
            known += KeySet.import_key_set({"keys": [one]}).keys
    return KeySet(known)


def _identity(claims: Mapping[str, Any]) -> Identity:
    subject, at = claims["sub"], claims.get("auth_time")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_TEXT_CHARS:
        raise ProviderError("The ID token names no one.")
    try:
        signed_in_at = datetime.fromtimestamp(at, UTC) if at else None
    except (OverflowError, OSError, ValueError) as why:
        raise ProviderError("The ID token has no usable time of the sign-in.") from why
    return Identity(
        issuer=str(claims["iss"]),
        subject=subject,
        email=str(claims.get("email") or "")[:MAX_TEXT_CHARS],
        # Nothing else: a text "false" is true in Python.
        is_email_verified=claims.get("email_verified") is True,
        name=str(claims.get("name") or "")[:MAX_TEXT_CHARS],
        signed_in_at=signed_in_at,
    )


def _read(seen: ProbeResponse, what: str) -> dict[str, Any]:
    """Return the JSON object of an answer. Raises: ProviderError."""
    if seen.received is None:
        reason = seen.error.error_code if seen.error else "no answer"
        raise ProviderError(f"The provider could not be reached for {what} ({reason}).")
    received = seen.received
    if received.status != 200 or received.is_cut or received.is_encoded:
        raise ProviderError(f"The provider refused {what} (status {received.status}).")
    try:
        return json_object(received.body)
    except ValueError as why:
        raise ProviderError(f"The provider did not answer with JSON for {what}.") from why


def _limits(allow_nets: tuple[Network, ...]) -> dict[str, Any]:
    return {"allow_nets": allow_nets, "max_bytes": MAX_BYTES, "deadline_s": TIME_LIMIT_S}


def _basic(client: Client) -> str:
    """Return the client's credentials in a header (RFC 6749, section 2.3.1)."""
    login = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
    return "Basic " + b64encode(login.encode("ascii")).decode("ascii")
