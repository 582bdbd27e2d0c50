"""A configuration that reaches the hostile servers, and an audit log to write into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Config
from app.models.base import db, use_database
from tests.support.config import make_config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """These tests need no database."""
    return make_config(tmp_path)


@pytest.fixture(autouse=True)
def audit_log(config: Config, migrated_file: bytes) -> Iterator[None]:
    """Create an audit log: each call to a paired site carries its checkpoint."""
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    use_database(config.database_url)
    with db.connection_context():
        yield
