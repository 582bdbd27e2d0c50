"""Publish SiteAgent releases: sites and people download them from the dashboard."""

from __future__ import annotations

import pytest

from app.domain.plugin_release import METADATA, make_release
from app.keys import new_signing_key


@pytest.fixture
def release(config):
    return make_release(new_signing_key(), config.plugin_release)


def test_the_release_is_public_and_may_be_cached(anonymous, release):
    described = anonymous.get("/siteagent/release.json")
    assert described.status_code == 200
    assert described.json["sha256"] == release.sha256
    assert described.headers["Cache-Control"] == "public, max-age=3600"
    assert "Set-Cookie" not in described.headers
    package = anonymous.get(f"/siteagent/{release.sha256}.zip")
    assert package.data == release.package
    assert "immutable" in package.headers["Cache-Control"]
    assert "Set-Cookie" not in package.headers


def test_without_a_release_nothing_is_offered(anonymous):
    assert anonymous.get("/siteagent/release.json").status_code == 404
    assert anonymous.get(f"/siteagent/{'0' * 64}.zip").status_code == 404


def test_a_damaged_release_is_not_offered(anonymous, release, config):
    (config.plugin_release / f"{release.sha256}.zip").write_bytes(b"PK")
    assert anonymous.get("/siteagent/release.json").status_code == 404


def test_no_other_file_can_be_fetched(anonymous, release):
    for name in (METADATA.replace("json", "zip"), "..%2frelease.key.zip", "0.zip"):
        assert anonymous.get(f"/siteagent/{name}").status_code == 404


def test_a_team_member_downloads_the_release(as_ben, release):
    assert as_ben.get("/plugin/siteagent.zip").data == release.package
