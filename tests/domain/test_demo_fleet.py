"""The simulated fleet has working pages and an intact log, and is the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from markupsafe import escape

from app.domain.audit.chain import verify_chain
from app.domain.audit.checkpoints import anchors
from app.factory import create_app
from app.models.base import db, use_database, utcnow
from tests.fleet.build import build_fleet, choose_websites
from tests.fleet.content import content, content_digest, digest_of
from tests.fleet.fleet import Fleet
from tests.support.browsers import Person, signed_in
from tests.support.config import make_config

SITES = 8
# The content of the shared fleet before any test signs in.
CONTENT: dict[str, Any] = {}


def make_fleet(folder: Path, migrated: bytes, seed: str, **more) -> Fleet:
    """Build a fleet in a database of its own, which stays bound and open."""
    config = make_config(folder)
    (folder / "aura.db").write_bytes(migrated)
    use_database(config.database_url)
    db.connect()
    return build_fleet(config, SITES, seed, **more)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, migrated_file: bytes) -> Fleet:
    made = make_fleet(tmp_path_factory.mktemp("fleet"), migrated_file, "one")
    CONTENT.update(content())
    db.close()
    return made


@pytest.fixture(scope="module")
def app(fleet: Fleet) -> Flask:
    """Aura with this fleet. It compiles each template once for all of these tests."""
    made = create_app(fleet.config)
    made.test_client_class = Person
    return made


@pytest.fixture
def open_fleet(fleet: Fleet) -> Iterator[Fleet]:
    use_database(fleet.config.database_url)
    db.connect()
    yield fleet
    db.close()


@pytest.mark.parametrize(
    "path", ["/", "/sites/1", "/updates", "/updates/blocked", "/alerts", "/activity"]
)
def test_the_owner_can_open_the_main_pages(app: Flask, open_fleet: Fleet, path: str) -> None:
    page = signed_in(app, open_fleet.owner).get(path, follow_redirects=True)
    assert page.status_code == 200
    if path == "/sites/1":
        assert escape(open_fleet.sites[1].name) in page.text


def test_every_user_can_sign_in(app: Flask, open_fleet: Fleet) -> None:
    for login in open_fleet.logins:
        answer = app.test_client().signs_in(login.email, open_fleet.password)
        assert answer.status_code == 303, login.email


def test_the_audit_log_of_the_fleet_is_intact(open_fleet: Fleet) -> None:
    found = verify_chain(anchors())
    assert found.is_whole
    assert found.entries > 200


def test_the_fleet_has_every_kind_of_record(open_fleet: Fleet) -> None:
    fleet_content = content()
    connections = {site[3] for site in fleet_content["sites"]}
    assert {"healthy", "unreachable", "pairing"} <= connections
    states = [change[4] for change in fleet_content["changes"]]
    assert states.count("proposed") >= 2
    assert {"succeeded", "rolled_back"} <= set(states)
    assert len(fleet_content["components"]) >= 13 * (SITES - 1)


def test_the_same_seed_gives_the_same_content_at_any_time(
    fleet: Fleet, tmp_path: Path, migrated_file: bytes
) -> None:
    long_ago = utcnow() - timedelta(days=3, hours=7)
    make_fleet(tmp_path, migrated_file, "one", now=long_ago)
    assert content() == CONTENT
    assert content_digest() == digest_of(CONTENT)
    db.close()


@pytest.mark.nightly
def test_another_seed_gives_another_content(
    fleet: Fleet, tmp_path: Path, migrated_file: bytes
) -> None:
    make_fleet(tmp_path, migrated_file, "two")
    assert content_digest() != digest_of(CONTENT)
    db.close()


def test_a_thousand_sites_have_unique_names_and_addresses() -> None:
    websites = choose_websites(1000, "one")
    assert len({website.name for website in websites}) == 1000
    assert len({website.home for website in websites}) == 1000
