"""Open every outgoing connection to a host that a person or a site named (SSRF guard).

Aura does not control the name servers. So the connection itself resolves the name once, checks
every address, connects to a checked one and compares its peer. TLS still verifies the name. No
check happens earlier, so nothing can change between check and use.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from app.http.certificates import CertificateFacts, certificate_facts, read_authorities
from app.http.connection_trace import Trace
from app.http.ip_policy import Network, is_reachable
from app.http.timed_response import TimedResponse

Resolver = Callable[..., list[Any]]

MAX_URL_CHARS = 2000
_USER_AGENT = "Aura"

_EXPIRED = 10
_WRONG_NAME = (62, 64)


class EgressError(Exception):
    """No connection was made, so nothing was sent."""


class AddressRefused(EgressError):
    """Aura may not connect to `address`, which the host name resolved to."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} resolves to {address}, which Aura does not call")
        self.host = host
        self.address = address


class NameUnknown(EgressError):
    """The host name has no address, or DNS did not answer in time."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host = host
        self.reason = reason


class NoConnection(EgressError):
    """Nothing listens on that port, or the connection broke before anything was sent."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address}: {reason}")
        self.address = address
        self.reason = reason


class ConnectTimedOut(NoConnection):
    """The server did not answer in time."""


class TlsFailed(NoConnection):
    """The server answered without TLS, or with TLS that Aura does not support."""


class CertificateRefused(EgressError):
    """The certificate does not prove the name; `kind` is expired, wrong_name or untrusted."""

    def __init__(self, kind: str, reason: str, facts: CertificateFacts | None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True)
class Limits:
    """Time limits of a call, in seconds: the total and its parts."""

    total_s: float = 20.0
    connect_s: float = 5.0
    between_bytes_s: float = 10.0


@dataclass
class Guard:
    """Check and time the connections of one session; remember the last address that was used."""

    allow_nets: tuple[Network, ...]
    limits: Limits
    resolve: Resolver
    trace: Trace = field(default_factory=Trace)
    ends_at: float = field(init=False)
    address: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.ends_at = time.monotonic() + self.limits.total_s

    def seconds_left(self, at_most: float) -> float:
        """Return the seconds that remain for one step; raise TimeoutError if there are none."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time limit of the call was reached")
        return min(left, at_most)

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket to `host`. One refused address refuses the host.

        Raises: EgressError.
        """
        found = self._addresses(host, port)
        self.trace.addresses = tuple(dict.fromkeys(target[0] for _, _, _, _, target in found))
        for _, _, _, _, target in found:
            self._judge(host, target[0])
        failure: NoConnection = NoConnection(host, "no address")
        self.trace.silent = ()
        for family, kind, proto, _, target in found:
            began = time.monotonic()
            try:
                sock = self._connect_to(host, family, kind, proto, target)
            except NoConnection as why:
                failure = why
                self.trace.silent += (target[0],)
                continue
            self.trace.connect_ms = round((time.monotonic() - began) * 1000)
            return sock
        raise failure

    def _addresses(self, host: str, port: int) -> list[Any]:
        """Resolve the host name once, in a thread: the system's resolver has no timeout."""
        answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self.resolve(host, port, 0, socket.SOCK_STREAM))
            except (OSError, UnicodeError) as why:
                answers.put(why)

        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=self.seconds_left(self.limits.between_bytes_s))
        except (queue.Empty, TimeoutError) as why:
            raise NameUnknown(host, "the name server did not answer in time") from why
        if isinstance(answer, Exception):
            reason = getattr(answer, "strerror", None) or "not a usable name"
            raise NameUnknown(host, str(reason)) from answer
        return answer

    def _judge(self, host: str, address: str) -> None:
        self.address = address
        if not is_reachable(address, self.allow_nets):
            raise AddressRefused(host, address)

    def _connect_to(
        self, host: str, family: int, kind: int, proto: int, target: tuple[Any, ...]
    ) -> socket.socket:
        address = f"{target[0]} port {target[1]}"
        sock = socket.socket(family, kind, proto)
        try:
            sock.settimeout(self.seconds_left(self.limits.connect_s))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(target)
            peer = sock.getpeername()[0]
            self._judge(host, peer)
            if ip_address(peer) != ip_address(target[0]):
                raise AddressRefused(host, peer)
        except TimeoutError as why:
            sock.close()
            raise ConnectTimedOut(address, "no answer in time") from why
        except OSError as why:
            sock.close()
            raise NoConnection(address, why.strerror or type(why).__name__) from why
        except AddressRefused:
            sock.close()
            raise
        return sock


def check_url(url: str) -> None:
    """Raise AddressRefused unless `url` is a plain http(s) address without user and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as why:
        raise AddressRefused(url[:100], "the address cannot be parsed") from why
    host = parts.hostname or ""
    if (
        len(url) > MAX_URL_CHARS
        or parts.scheme not in ("http", "https")
        or not host
        or port == 0
        or "@" in parts.netloc
        or "#" in url
        or not url.isascii()
        or not url.isprintable()
        or " " in url
        or "\\" in url
    ):
        raise AddressRefused(host or url[:100], "the address is not plain http or https")


class _HttpConnection(HTTPConnection):
    guard: Guard

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self._dns_host.strip("[]"), self.port)


class _HttpsConnection(HTTPSConnection):
    guard: Guard

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self._dns_host.strip("[]"), self.port)

    def connect(self) -> None:
        """Connect as urllib3 does, but raise an EgressError if TLS fails."""
        self.ssl_context, self.ca_certs = read_authorities(self.ca_certs), None
        try:
            super().connect()
        except ssl.SSLCertVerificationError as why:
            facts = self._look_at_certificate()
            raise CertificateRefused(_kind(why.verify_code), why.verify_message, facts) from why
        except TimeoutError as why:
            raise ConnectTimedOut(self.guard.address, "no TLS handshake in time") from why
        except ssl.SSLError as why:
            raise TlsFailed(self.guard.address, (why.reason or "TLS failed").lower()) from why
        except OSError as why:
            reason = why.strerror or "the connection broke during the TLS handshake"
            raise TlsFailed(self.guard.address, reason) from why
        self._note_certificate()

    def _note_certificate(self) -> None:
        tls: Any = self.sock
        self.guard.trace.tls_version = tls.version() or ""
        # An accepted certificate may still have fields that cannot be parsed.
        with contextlib.suppress(ValueError):
            self.guard.trace.certificate = certificate_facts(tls.getpeercert(True) or b"")

    def _look_at_certificate(self) -> CertificateFacts | None:
        """Return the facts of the refused certificate, for the person who must renew it.

        Python's ssl does not return a certificate that it refused. So Aura requests it again, on a
        connection over which nothing is ever sent.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with (
                self._new_conn() as sock,
                context.wrap_socket(sock, server_hostname=self.host.strip("[]")) as tls,
            ):
                return certificate_facts(tls.getpeercert(binary_form=True) or b"")
        except (EgressError, OSError, ValueError):
            return None


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.guard = guard

    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn(), self.guard)


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.guard = guard

    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn(), self.guard)


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools: dict[str, Any] = {
            "http": functools.partial(_HttpPool, guard=self._guard),
            "https": functools.partial(_HttpsPool, guard=self._guard),
        }
        self.poolmanager.pool_classes_by_scheme = pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        raise AddressRefused("proxy", "proxies are not supported")


class GuardedSession(requests.Session):
    """A requests.Session without redirects and environment settings that always verifies TLS."""

    def __init__(self, guard: Guard, ca_file: str | None) -> None:
        super().__init__()
        self.guard = guard
        self.trust_env = False  # otherwise requests would use HTTP_PROXY, .netrc and CA variables
        self._authorities = ca_file or True
        self.headers.clear()
        self.headers.update({"User-Agent": _USER_AGENT, "Connection": "close"})
        self.adapters.clear()
        adapter = _GuardedAdapter(guard)
        for scheme in ("http://", "https://"):
            self.mount(scheme, adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: otherwise requests would parse an address that the site chose."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send once. Options for redirects, proxies, TLS and timeouts are ignored."""
        check_url(request.url or "")
        limits, began = self.guard.limits, time.monotonic()
        kwargs |= {
            "allow_redirects": False,
            "proxies": {},
            "verify": self._authorities,
            "timeout": (limits.connect_s, limits.between_bytes_s),
        }
        response = super().send(request, **kwargs)
        self.guard.trace.first_byte_ms = round((time.monotonic() - began) * 1000)
        return response


def session(
    allow_nets: tuple[Network, ...] = (),
    *,
    limits: Limits | None = None,
    ca_file: str | None = None,
    resolve: Resolver = socket.getaddrinfo,
    trace: Trace | None = None,
) -> GuardedSession:
    """Return a session for one call; its total time starts now.

    It connects to public addresses and those in `allow_nets` only (see `is_reachable`). `ca_file`
    replaces the usual certificate authorities. `trace` is filled on the way. Sending raises
    EgressError if no connection was made, otherwise what requests raises.
    """
    guard = Guard(allow_nets, limits or Limits(), resolve, trace or Trace())
    return GuardedSession(guard, ca_file)


def _guarded(connection: Any, guard: Guard) -> Any:
    connection.guard = guard
    seconds_left = functools.partial(guard.seconds_left, guard.limits.between_bytes_s)
    connection.response_class = functools.partial(TimedResponse, seconds_left=seconds_left)
    return connection


def _kind(verify_code: int) -> str:
    if verify_code == _EXPIRED:
        return "expired"
    return "wrong_name" if verify_code in _WRONG_NAME else "untrusted"
