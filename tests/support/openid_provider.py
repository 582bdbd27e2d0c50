"""A real OpenID provider on this machine. It keeps to the standard unless a test changes it."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "aura"
# Has characters that must be encoded.
SECRET = "s3cret:& +%/"
KEY = RSAKey.generate_key(2048, parameters={"kid": "first", "use": "sig"})
OTHER_KEY = RSAKey.generate_key(2048, parameters={"kid": "first", "use": "sig"})

Sign = Callable[[dict[str, Any]], str]


def signed(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, KEY)


@dataclass
class LocalProvider:
    """An OpenID provider with one signed-in person.

    `claims` change those of the next ID token (None removes one), `configuration` the document of
    discovery, and `sign` how a token is made. `more_keys` come before its own one. `codes` are
    those that were not used yet.
    """

    issuer: str
    subject: str = "person-1"
    email: str = "cleo@agency.example"
    claims: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, str] = field(default_factory=dict)
    sign: Sign = signed
    more_keys: list[Any] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    token_requests: list[dict[str, str]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "authorization_response_iss_parameter_supported": True,
            **self.configuration,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Return the redirect of the browser, with a code for the signed-in person."""
        code = token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer, **self.answer}
        kept = {name: value for name, value in answer.items() if value}
        return f"{asked['redirect_uri']}?{urlencode(kept)}"

    def token(self, form: dict[str, str], login: str) -> tuple[int, dict[str, Any]]:
        """Exchange a code once, for the client with the secret and the verifier."""
        self.token_requests.append(form)
        authorization = self.codes.pop(form.get("code", ""), None)
        name, _, secret = login.partition(":")
        is_client = (unquote(name), unquote(secret)) == (CLIENT_ID, SECRET)
        if (
            authorization is None
            or not is_client
            or form.get("redirect_uri") != authorization["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        if create_s256_code_challenge(form["code_verifier"]) != authorization["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "auth_time": now - 1,
            "nonce": authorization["nonce"],
            "email": self.email,
            "email_verified": True,
            "name": "Cleo",
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)}


class ProviderServer(ThreadingHTTPServer):
    """A server for one provider after another at the same address.

    Several tests share it: ending one takes half a second.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.provider = self.fresh_provider()

    def fresh_provider(self) -> LocalProvider:
        """Serve a provider that keeps to the standard from now on, and return it."""
        self.provider = LocalProvider(f"http://127.0.0.1:{self.server_port}")
        return self.provider


@contextmanager
def provider_server() -> Iterator[ProviderServer]:
    """Run a server of providers for a while."""
    with ProviderServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def local_provider() -> Iterator[LocalProvider]:
    """Run a provider for a while, at an address of its own."""
    with provider_server() as server:
        yield server.provider


class _Handler(BaseHTTPRequestHandler):
    server: ProviderServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        provider = self.server.provider
        if parts.path == "/.well-known/openid-configuration":
            self._send(200, provider.document())
        elif parts.path == "/keys":
            self._send(200, {"keys": [*provider.more_keys, KEY.as_dict(private=False)]})
        elif parts.path == "/authorize":
            self.send_response(302)
            self.send_header("Location", provider.authorize(_first(parts.query)))
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        login = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        self._send(*self.server.provider.token(_first(body), login))

    def _send(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
