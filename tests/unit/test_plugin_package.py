"""The plugin package for download: complete, and the same bytes every time."""

from __future__ import annotations

import io
import os
import zipfile

import pytest

from app.domain.plugin_package import build_plugin_zip


@pytest.fixture
def source(tmp_path):
    (tmp_path / "includes").mkdir()
    (tmp_path / "siteagent.php").write_text("<?php // main")
    (tmp_path / "includes" / "a.php").write_text("<?php // a")
    (tmp_path / ".hidden").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("no")
    return tmp_path


def test_all_files_are_in_the_directory_that_wordpress_expects(source):
    with zipfile.ZipFile(io.BytesIO(build_plugin_zip(source))) as archive:
        assert archive.namelist() == ["siteagent/includes/a.php", "siteagent/siteagent.php"]
        assert archive.read("siteagent/siteagent.php") == b"<?php // main"


def test_the_same_sources_give_the_same_bytes(source):
    before = build_plugin_zip(source)
    for path in source.rglob("*"):
        os.utime(path, (1, 1))
    (source / "siteagent.php").chmod(0o755)
    assert build_plugin_zip(source) == before


def test_without_a_plugin_there_is_nothing_to_pack(tmp_path):
    with pytest.raises(FileNotFoundError):
        build_plugin_zip(tmp_path)
