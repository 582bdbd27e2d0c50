"""The configuration that tests run with."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from app.config import Config


def make_config(var_dir: Path, **overrides: Any) -> Config:
    """Return a complete configuration that touches nothing outside of `var_dir`."""
    base = Config(
        origin="http://aura.test",
        var_dir=var_dir,
        database_url=f"sqlite:///{var_dir / 'aura.db'}",
        redis_url=f"unix://{var_dir / 'redis.sock'}",
        secret_key="only-for-tests-" + "0" * 32,
        sealing_keys=(("t1", bytes(range(32))),),
        allow_nets=(ip_network("127.0.0.0/8"),),
        trusted_hosts=("aura.test", "localhost", "127.0.0.1"),
        plugin_release=var_dir / "plugin-release",
        testing=True,
    )
    return replace(base, **overrides)
