"""Package inspection: hostile archives are refused, and files have one digest."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from app import package_tree
from app.package_layout import ONE_FOLDER, Layout, layout_of
from app.package_tree import PackageRefused, inspect_archive
from tests.support.packages import FILES, damaged, harmless, packed
from tests.support.vectors import VECTORS, by_name


def inspected(folder: Path, raw: bytes, layout: Layout = ONE_FOLDER) -> package_tree.PackageContent:
    archive = folder / "package.zip"
    archive.write_bytes(raw)
    return inspect_archive(archive, layout)


@pytest.mark.parametrize("row", by_name(VECTORS["packages"]))
def test_a_package_is_judged_as_expected(tmp_path: Path, row: dict[str, Any]) -> None:
    raw = b64decode(row["zip_b64"])
    layout = layout_of(row.get("kind", "plugin"), row.get("id", ""))
    if row["expect"] == "ok":
        content = inspected(tmp_path, raw, layout)
        assert (content.tree_sha256, content.files) == (row["tree_hex"], len(row["files"]))
        return
    with pytest.raises(PackageRefused) as caught:
        inspected(tmp_path, raw, layout)
    assert caught.value.code == row["expect"]


def test_the_digest_does_not_depend_on_the_packing(tmp_path: Path) -> None:
    digests = {
        inspected(tmp_path, raw).tree_sha256
        for raw in [*harmless().values(), packed(FILES, level=9)]
    }
    assert len(digests) == 1


@pytest.mark.parametrize("name", damaged())
def test_a_package_with_false_sizes_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackageRefused) as caught:
        inspected(tmp_path, damaged()[name])
    assert caught.value.code in (package_tree.UNREADABLE, package_tree.TOO_LARGE)


def test_a_zip_bomb_is_never_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = packed({"desk/a.php": b"\0" * 5_000_000}, level=9)
    assert len(zeros) < 10_000
    monkeypatch.setattr(package_tree, "MAX_UNPACKED_BYTES", 4_000_000)
    with pytest.raises(PackageRefused) as caught:
        inspected(tmp_path, zeros)
    assert caught.value.code == package_tree.TOO_LARGE


def test_a_package_with_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_tree, "MAX_FILES", len(FILES) - 1)
    with pytest.raises(PackageRefused) as caught:
        inspected(tmp_path, packed(FILES))
    assert caught.value.code == package_tree.TOO_MANY_FILES


def test_the_beginning_of_one_file_can_be_read(tmp_path: Path) -> None:
    inspected(tmp_path, packed(FILES))
    archive = tmp_path / "package.zip"
    assert package_tree.read_file(archive, "desk/desk.php", 5) == b"<?php"
    assert package_tree.read_file(archive, "desk/missing.php", 5) == b""
