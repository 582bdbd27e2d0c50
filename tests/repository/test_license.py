"""One license covers the repository, and every place that names it agrees."""

from __future__ import annotations

import io
import tomllib
import zipfile
from pathlib import Path

from app.domain.plugin_package import SOURCE, build_plugin_zip

ROOT = Path(__file__).parents[2]
SPDX = "GPL-2.0-or-later"


def test_the_license_text_is_that_of_the_gpl_version_2() -> None:
    first, second = (ROOT / "LICENSE").read_text("utf-8").split("\n")[:2]
    assert first.strip() == "GNU GENERAL PUBLIC LICENSE"
    assert second.strip() == "Version 2, June 1991"


def test_project_and_plugin_name_the_same_license() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == SPDX
    assert f" * License:           {SPDX}\n" in (SOURCE / "siteagent.php").read_text("utf-8")
    assert "License: GPLv2 or later\n" in (SOURCE / "readme.txt").read_text("utf-8")


def test_the_plugin_is_packed_with_the_license() -> None:
    with zipfile.ZipFile(io.BytesIO(build_plugin_zip())) as archive:
        assert archive.read("siteagent/LICENSE") == (ROOT / "LICENSE").read_bytes()
