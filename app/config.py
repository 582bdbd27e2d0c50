"""Settings from environment variables, as one frozen object.

Only this module reads `os.environ`. Secrets that are not set are generated once in the var
directory.
"""

from __future__ import annotations

import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

_SECRET_BYTES = 32
# How long another process that has created the file of a secret may take to write it.
_WRITTEN_WITHIN_S = 5.0
_DEFAULT_PORT = 8000
_DEFAULT_SYNC_MINUTES = 15
_DEFAULT_CALL_LOG_DAYS = 90
_DEFAULT_WORKERS = 3
_DEFAULT_PACKAGE_CACHE_MB = 1024
# Longer than most requests and jobs take, and as long as container runtimes wait.
_DEFAULT_STOP_S = 30
_MAX_AGENCY_CHARS = 120
# All known vulnerabilities, with what tells which versions they affect.
_VULNERABILITY_FEED = "https://www.wordfence.com/api/intelligence/v3/vulnerabilities/production"
_PLUGIN_RELEASE = Path(__file__).resolve().parents[1] / "wordpress-plugin" / "release"


class ConfigError(Exception):
    """Invalid configuration; the text lists every problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("Aura cannot start:\n" + "\n".join(f"  * {p}" for p in problems))
        self.problems = problems


@dataclass(frozen=True)
class Config:
    """The settings of one installation.

    `sealing_keys` are (name, 32 bytes) pairs: the first one seals, all of them open, so a new key
    is put in front. `allow_nets` are the private networks that sites may be in; they come only from
    the environment (SSRF guard). `proxy_hops` is the number of trusted reverse proxies in front of
    Aura. `plugin_release` is the folder of the signed SiteAgent release for the sites.
    """

    origin: str
    var_dir: Path
    database_url: str = field(repr=False)  # both may contain a password
    redis_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    sealing_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    allow_nets: tuple[Network, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    proxy_hops: int = 0
    sync_every_minutes: int = _DEFAULT_SYNC_MINUTES
    call_log_days: int = _DEFAULT_CALL_LOG_DAYS
    # Whether Aura asks WordPress.org about the plugins and themes of the sites.
    asks_wordpress_org: bool = True
    # Whether Aura asks registries when the domains of the sites end.
    asks_registries: bool = True
    # How much disk space the downloaded packages may take, in megabytes.
    package_cache_mb: int = _DEFAULT_PACKAGE_CACHE_MB
    # A browser with which workers look at pages; without it, there are no screenshots.
    chromium: Path | None = None
    # How many jobs run at once in one worker process.
    workers: int = _DEFAULT_WORKERS
    # How long requests and jobs may take to end after SIGTERM, in seconds.
    stop_within_s: int = _DEFAULT_STOP_S
    # Whether each line of the log is a JSON object.
    logs_json: bool = False
    port: int = _DEFAULT_PORT
    bind: str = "127.0.0.1"
    agency: str = ""
    plugin_release: Path = _PLUGIN_RELEASE
    # What Prometheus sends to read /metrics; without it, there are no metrics.
    metrics_token: str = field(default="", repr=False)
    # Folder of the operator's backups, whose newest file the page about the system names.
    backups: Path | None = None
    # Where known vulnerabilities come from. No setting, because the key goes to this address.
    vulnerability_feed_url: str = _VULNERABILITY_FEED
    # Shows the page /style.
    is_development: bool = False
    testing: bool = False

    @property
    def origin_file(self) -> Path:
        """Return the file with the origin of the running Aura, for commands that print links."""
        return self.var_dir / "origin"

    @property
    def backup_mark(self) -> Path:
        """Return the file that is touched after each backup, also by an operator's own script."""
        return self.var_dir / "last-backup"

    def as_served(self) -> Config:
        """Return this configuration with the origin of the Aura that serves this data."""
        if not self.origin_file.is_file():
            return self
        return replace(self, origin=self.origin_file.read_text("utf-8").strip())

    @property
    def is_https(self) -> bool:
        return self.origin.startswith("https://")

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        """Read the environment variables.

        Raises: ConfigError with every problem.
        """
        env = os.environ if env is None else env
        problems: list[str] = []
        var_dir = Path(env.get("AURA_VAR") or "var").resolve()
        var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = _integer(env, "PORT", _DEFAULT_PORT, 1, 65535, problems)
        bind = env.get("AURA_BIND") or "127.0.0.1"
        origin = _origin(env.get("AURA_ORIGIN") or f"http://127.0.0.1:{port}", problems)
        hosts = tuple(h.strip() for h in env.get("AURA_TRUSTED_HOSTS", "").split(",") if h.strip())
        found = cls(
            origin=origin,
            var_dir=var_dir,
            database_url=env.get("DATABASE_URL") or f"sqlite:///{var_dir / 'aura.db'}",
            redis_url=env.get("REDIS_URL") or f"unix://{var_dir / 'redis.sock'}",
            secret_key=env.get("AURA_SECRET_KEY") or _kept_secret(var_dir / "secret.key"),
            sealing_keys=_sealing_keys(env.get("AURA_SEALING_KEYS"), var_dir, problems),
            allow_nets=_networks(env.get("AURA_ALLOW_NETS", ""), problems),
            trusted_hosts=(*_own_hosts(origin), *hosts),
            proxy_hops=_integer(env, "AURA_PROXY_HOPS", 0, 0, 8, problems),
            sync_every_minutes=_integer(
                env, "AURA_SYNC_MINUTES", _DEFAULT_SYNC_MINUTES, 5, 10080, problems
            ),
            call_log_days=_integer(
                env, "AURA_CALL_LOG_DAYS", _DEFAULT_CALL_LOG_DAYS, 30, 3650, problems
            ),
            package_cache_mb=_integer(
                env, "AURA_PACKAGE_CACHE_MB", _DEFAULT_PACKAGE_CACHE_MB, 64, 1_000_000, problems
            ),
            chromium=_program(env, "AURA_CHROMIUM", problems),
            asks_wordpress_org=_is_yes(env, "AURA_ASK_WORDPRESS_ORG", problems),
            asks_registries=_is_yes(env, "AURA_ASK_REGISTRIES", problems),
            workers=_integer(env, "AURA_WORKERS", _DEFAULT_WORKERS, 1, 64, problems),
            stop_within_s=_integer(env, "AURA_STOP_SECONDS", _DEFAULT_STOP_S, 1, 3600, problems),
            logs_json=_choice(env, "AURA_LOG", ("text", "json"), problems) == "json",
            port=port,
            bind=bind,
            agency=env.get("AURA_AGENCY", "").strip()[:_MAX_AGENCY_CHARS],
            plugin_release=Path(env.get("AURA_PLUGIN_RELEASE") or _PLUGIN_RELEASE).resolve(),
            backups=Path(env["AURA_BACKUPS"]).resolve() if env.get("AURA_BACKUPS") else None,
            metrics_token=env.get("AURA_METRICS_TOKEN", ""),
            is_development=env.get("AURA_DEVELOPMENT") == "1",
        )
        problems += _short_secrets(found)
        if problems:
            raise ConfigError(problems)
        return found


def _short_secrets(found: Config) -> list[str]:
    """Return what to say about each secret of the environment that is too short."""
    too_short = {
        "AURA_SECRET_KEY": len(found.secret_key) < _SECRET_BYTES,
        "AURA_METRICS_TOKEN": 0 < len(found.metrics_token) < _SECRET_BYTES,
    }
    return [
        f"{name} must have at least 32 random characters."
        for name, is_short in too_short.items()
        if is_short
    ]


def _kept_secret(path: Path) -> str:
    """Return the secret in `path`; create it, readable by its owner only, on first use."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_secret(path)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secret + "\n")
    return secret


def _read_secret(path: Path) -> str:
    """Return the secret in a file that another process may be about to write; or an empty text."""
    deadline = time.monotonic() + _WRITTEN_WITHIN_S
    while not (secret := path.read_text("ascii").strip()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return secret


def _sealing_keys(
    text: str | None, var_dir: Path, problems: list[str]
) -> tuple[tuple[str, bytes], ...]:
    """Parse `name:base64url[,name:base64url...]`; without a text, use the generated key."""
    if not text:
        text = "k1:" + _kept_secret(var_dir / "sealing.key")
    keys: list[tuple[str, bytes]] = []
    for pair in text.split(","):
        name, _, encoded = pair.strip().partition(":")
        try:
            raw = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except ValueError:
            raw = b""
        if not name or "." in name or len(raw) != _SECRET_BYTES:
            problems.append(
                "AURA_SEALING_KEYS must be name:key pairs, each key 32 bytes as base64url "
                f"(for example k1:{urlsafe_b64encode(bytes(32)).decode().rstrip('=')[:6]}…)."
            )
            continue
        keys.append((name, raw))
    return tuple(keys)


def _origin(text: str, problems: list[str]) -> str:
    """Return `text` without a trailing slash; if it is no origin, return '' and add a problem."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme in ("http", "https") and parts.hostname and not parts.path.strip("/"):
        return text.rstrip("/")
    problems.append(f"AURA_ORIGIN must be like https://aura.example.com, not {text!r}.")
    return ""


def _own_hosts(origin: str) -> tuple[str, ...]:
    host = urlsplit(origin).hostname or ""
    return ("127.0.0.1", "localhost") if host in ("127.0.0.1", "localhost") else (host,)


def _networks(text: str, problems: list[str]) -> tuple[Network, ...]:
    found: list[Network] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        try:
            found.append(ip_network(part))
        except ValueError as why:
            problems.append(f"AURA_ALLOW_NETS: {part!r} is not a network ({why}).")
    return tuple(found)


def _program(env: Mapping[str, str], name: str, problems: list[str]) -> Path | None:
    """Return the path of a program, which may be installed on other machines only."""
    text = env.get(name) or ""
    if text and not text.startswith("/"):
        problems.append(f"{name} must be a whole path like /usr/bin/chromium, not {text!r}.")
    return Path(text) if text else None


def _choice(
    env: Mapping[str, str], name: str, allowed: tuple[str, ...], problems: list[str]
) -> str:
    """Return one of the allowed words, by default the first."""
    word = env.get(name) or allowed[0]
    if word not in allowed:
        problems.append(f"{name} must be {' or '.join(allowed)}, not {word!r}.")
    return word


def _is_yes(env: Mapping[str, str], name: str, problems: list[str]) -> bool:
    return _choice(env, name, ("yes", "no"), problems) == "yes"


def _integer(
    env: Mapping[str, str], name: str, default: int, low: int, high: int, problems: list[str]
) -> int:
    text = env.get(name) or str(default)
    if text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    problems.append(f"{name} must be a whole number from {low} to {high}, not {text!r}.")
    return default
