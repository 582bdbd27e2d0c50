"""Releases of SiteAgent: signed with an offline key, and offered by the dashboard."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from app import keys
from app.domain import plugin_release
from app.domain.plugin_package import SOURCE
from app.domain.plugin_release import ReleaseError, make_key, make_release, read_key, read_release
from app.factory import create_app
from app.protocol import b64u, from_b64u


@pytest.fixture
def key(tmp_path):
    return tmp_path / "release.key"


@pytest.fixture
def released(tmp_path, key):
    """Return a folder with one release in it."""
    make_key(key)
    make_release(read_key(key), tmp_path / "release")
    return tmp_path / "release"


def test_a_release_is_signed_with_the_key_of_its_package(released, key):
    release = read_release(released)
    document = json.loads(release.metadata)
    public = keys.signing_public(read_key(key))
    with zipfile.ZipFile(io.BytesIO(release.package)) as archive:
        assert archive.read("siteagent/release-key.pub").decode() == f"{b64u(public)}\n"
    assert document["slug"] == "siteagent"
    assert keys.verify_release(
        public, document["version"], release.sha256, from_b64u(document["sig"])
    )
    assert not keys.verify_release(public, "9.9", release.sha256, from_b64u(document["sig"]))


def test_a_new_release_replaces_the_old_one(released, key, tmp_path):
    former = read_release(released)
    (tmp_path / "source").mkdir()
    for name in ("siteagent.php", "readme.txt"):
        text = (SOURCE / name).read_text("utf-8").replace("0.1.0", "0.2.0")
        (tmp_path / "source" / name).write_text(text, "utf-8")
    make_release(read_key(key), released, source=tmp_path / "source")
    release = read_release(released)
    assert release.version == "0.2.0"
    assert release.sha256 != former.sha256
    assert len(list(released.iterdir())) == 2


def test_the_private_key_is_readable_by_its_owner_only_and_never_replaced(key):
    make_key(key)
    assert key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        make_key(key)


def test_a_file_without_a_key_is_refused(key):
    with pytest.raises(ReleaseError):
        read_key(key)
    key.write_text("not a key")
    with pytest.raises(ReleaseError):
        read_key(key)


@pytest.mark.parametrize("part", ["package", "version", "sig"])
def test_a_release_that_no_site_would_accept_is_not_offered(released, part):
    document = json.loads((released / plugin_release.METADATA).read_text())
    if part == "package":
        package = released / f"{document['sha256']}.zip"
        package.write_bytes(package.read_bytes() + b"\0")
    else:
        document[part] = "9.9" if part == "version" else b64u(bytes(64))
        (released / plugin_release.METADATA).write_text(json.dumps(document))
    with pytest.raises(ReleaseError):
        read_release(released)


def test_the_command_makes_a_key_and_a_release(config, tmp_path):
    app = create_app(config)
    run = app.test_cli_runner().invoke
    made = run(args=["plugin", "new-key", str(tmp_path / "k")])
    assert made.exit_code == 0, made.output
    assert "Keep" in made.output or "keep" in made.output
    again = run(args=["plugin", "new-key", str(tmp_path / "k")])
    assert again.exit_code == 1
    signed = run(args=["plugin", "release", "--key", str(tmp_path / "k")])
    assert signed.exit_code == 0, signed.output
    assert read_release(app.config["AURA"].plugin_release) is not None
    wrong = run(args=["plugin", "release", "--key", str(tmp_path / "missing")])
    assert wrong.exit_code == 1
