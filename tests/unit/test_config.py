"""The environment is read once; all its errors are reported together."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import config as config_module
from app.config import Config, ConfigError


def read(var: Path, **env: str) -> Config:
    return Config.from_env({"AURA_VAR": str(var), **env})


def test_every_setting_is_optional(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert config.origin == "http://127.0.0.1:8000"
    assert config.trusted_hosts == ("127.0.0.1", "localhost")
    assert not config.is_https
    assert read(tmp_path) == config


def test_only_the_owner_can_read_generated_secrets(tmp_path: Path) -> None:
    read(tmp_path / "var")
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700
    for name in ("secret.key", "sealing.key"):
        assert stat.S_IMODE((tmp_path / "var" / name).stat().st_mode) == 0o600


def test_secrets_do_not_show_when_printed(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert config.secret_key not in repr(config)
    assert "sealing_keys" not in repr(config)


def test_further_hosts_are_added_to_the_origins_own(tmp_path: Path) -> None:
    config = read(
        tmp_path, AURA_ORIGIN="https://aura.example.com", AURA_TRUSTED_HOSTS="a.example, b.example"
    )
    assert config.trusted_hosts == ("aura.example.com", "a.example", "b.example")


@pytest.mark.parametrize(
    "origin", ["aura.example.com", "ftp://a.example", "https://", "https://a.example/x", "http://["]
)
def test_an_invalid_origin_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ConfigError, match="AURA_ORIGIN"):
        read(tmp_path, AURA_ORIGIN=origin)


@pytest.mark.parametrize(("word", "is_json"), [("", False), ("text", False), ("json", True)])
def test_the_log_is_text_or_json(tmp_path: Path, word: str, is_json: bool) -> None:
    assert read(tmp_path, AURA_LOG=word).logs_json is is_json


@pytest.mark.parametrize(("word", "is_asked"), [("", True), ("yes", True), ("no", False)])
def test_requests_to_wordpress_org_can_be_turned_off(
    tmp_path: Path, word: str, is_asked: bool
) -> None:
    assert read(tmp_path, AURA_ASK_WORDPRESS_ORG=word).asks_wordpress_org is is_asked


@pytest.mark.parametrize(("word", "is_asked"), [("", True), ("yes", True), ("no", False)])
def test_requests_to_registries_can_be_turned_off(
    tmp_path: Path, word: str, is_asked: bool
) -> None:
    assert read(tmp_path, AURA_ASK_REGISTRIES=word).asks_registries is is_asked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AURA_LOG", "xml"),
        ("AURA_ASK_WORDPRESS_ORG", "maybe"),
        ("AURA_ASK_REGISTRIES", "maybe"),
        ("AURA_STOP_SECONDS", "0"),
        ("AURA_WORKERS", "0"),
    ],
)
def test_an_invalid_value_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be"):
        read(tmp_path, **{name: value})


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        read(
            tmp_path,
            PORT="x",
            AURA_ORIGIN="nonsense",
            AURA_SECRET_KEY="short",
            AURA_SEALING_KEYS="k1:short",
            AURA_ALLOW_NETS="300.0.0.0/8",
            AURA_PROXY_HOPS="9",
            AURA_SYNC_MINUTES="1",
        )
    message = str(refusal.value)
    for name in ("PORT", "ORIGIN", "SECRET_KEY", "SEALING_KEYS", "ALLOW_NETS", "HOPS", "SYNC"):
        assert name in message


def test_a_configuration_that_is_printed_shows_no_password(tmp_path: Path) -> None:
    env = {
        "AURA_VAR": str(tmp_path),
        "DATABASE_URL": "postgresql://aura:database-word@db/aura",
        "REDIS_URL": "redis://:queue-word@cache:6379/0",
        "AURA_SECRET_KEY": "secret-word-" + "x" * 32,
    }
    config = Config.from_env(env)
    printed = f"{config!r} {config}"
    assert [
        word for word in ("database-word", "queue-word", "secret-word") if word in printed
    ] == []
    assert config.database_url.endswith("@db/aura")


def test_a_process_waits_for_a_secret_that_another_one_writes(tmp_path: Path) -> None:
    for name in ("secret.key", "sealing.key"):
        (tmp_path / name).touch()
    first = Config.from_env({"AURA_VAR": str(tmp_path / "first")})
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(Config.from_env, {"AURA_VAR": str(tmp_path)})
        (tmp_path / "secret.key").write_text(first.secret_key + "\n", "ascii")
        (tmp_path / "sealing.key").write_bytes((tmp_path / "first" / "sealing.key").read_bytes())
        found = waiting.result(timeout=30)
    assert (found.secret_key, found.sealing_keys) == (first.secret_key, first.sealing_keys)


def test_a_secret_that_stays_empty_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_module, "_WRITTEN_WITHIN_S", 0.1)
    (tmp_path / "secret.key").touch()
    with pytest.raises(ConfigError, match="AURA_SECRET_KEY must have at least 32"):
        Config.from_env({"AURA_VAR": str(tmp_path)})


def test_a_browser_is_optional_and_has_an_absolute_path(tmp_path: Path) -> None:
    env = {"AURA_VAR": str(tmp_path)}
    assert Config.from_env(env).chromium is None
    # It may be installed on the workers only.
    found = Config.from_env({**env, "AURA_CHROMIUM": "/opt/none/chromium"})
    assert found.chromium == Path("/opt/none/chromium")
    with pytest.raises(ConfigError, match="AURA_CHROMIUM must be a whole path"):
        Config.from_env({**env, "AURA_CHROMIUM": "chromium"})
