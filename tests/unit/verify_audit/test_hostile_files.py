"""The verifier refuses a malformed or hostile file with a message."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocol import canonical
from tests.support import audit_log_exports as made
from tests.support.audit_log_exports import Files, small
from tests.support.hypothesis_profiles import examples
from tests.support.running_verifier import judge, verify
from tests.support.verified_exports import AUDIT_LOG, SHAPES, SHARED, SITE_FILE


def any_json() -> st.SearchStrategy[Any]:
    leaf = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), st.text(max_size=12)
    )
    return st.recursive(
        leaf,
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one),
        max_leaves=5,
    )


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [here, *(place for key, one in inside for place in places(one, (*here, key)))]


def put(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    copy = value.copy()
    copy[place[0]] = put(value[place[0]], place[1:], new)
    return copy


@examples(quick=40, thorough=400, **SHARED)
@given(data=st.data())
def test_any_wrong_value_is_refused_without_a_crash(
    data: Any, exports: list[Files], tmp_path: Path
) -> None:
    """The list of files fits here, so each value itself must be checked before use."""
    number = data.draw(st.integers(0, len(SHAPES) - 1))
    export = small(covers=SHAPES[number])
    files = export.files()
    name = data.draw(
        st.sampled_from([AUDIT_LOG, SITE_FILE, "checkpoints.json", "keys.json", "manifest.json"])
    )
    lines = files[name].splitlines() if name.endswith("l") else [files[name]]
    at = data.draw(st.integers(0, len(lines) - 1))
    document = json.loads(lines[at])
    place = data.draw(st.sampled_from(places(document)))
    lines[at] = json.dumps(put(document, place, data.draw(any_json()))).encode(
        "utf-8", "surrogatepass"
    )
    raw = b"\n".join(lines) + (b"\n" if name.endswith("l") else b"")
    if name == "manifest.json":
        files[name] = raw
        files["manifest.sig"] = made.b64u(
            made.sign(export.seed, b"siteagent/export/1\n" + raw)
        ).encode()
    else:
        files = made.sealed({**files, name: raw}, export.seed, export.covers)
    judge(files, tmp_path)


def zip_of(path: Path, entries: list[tuple[str, bytes]], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, raw in entries:
            archive.writestr(name, raw)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../audit_log.jsonl",
        "/etc/passwd",
        "sites/../audit_log.jsonl",
        "C:\\x",
        "sites/",
        "audit_log.jsonl\n",
        "a",
        "\x1b[2J",
    ],
)
def test_file_names_with_other_paths_are_refused(name: str, tmp_path: Path) -> None:
    entries = [*small().files().items(), (name, b"x")]
    verdict = verify(zip_of(tmp_path / "a.zip", entries))
    assert (verdict.status, "\x1b" in verdict.output) == (2, False)


def test_a_manifest_with_a_file_outside_is_refused(tmp_path: Path) -> None:
    export = small()
    for name in ("../../../etc/passwd", "/etc/passwd", "sites/../x"):
        for raw_name, raw in export.files().items():
            (tmp_path / raw_name).parent.mkdir(exist_ok=True)
            (tmp_path / raw_name).write_bytes(raw)
        manifest = json.loads(export.files()["manifest.json"])
        manifest["files"][name] = "0" * 64
        raw = canonical(manifest)
        (tmp_path / "manifest.json").write_bytes(raw)
        signature = made.b64u(made.sign(export.seed, b"siteagent/export/1\n" + raw))
        (tmp_path / "manifest.sig").write_text(signature)
        assert verify(tmp_path).status == 2


def test_a_zip_bomb_is_refused_before_unpacking(tmp_path: Path) -> None:
    zeros = bytes(200 * 1024 * 1024)
    for name in (AUDIT_LOG, "README.txt", "keys.json"):
        entries = {**small().files(), name: zeros}
        verdict = verify(zip_of(tmp_path / "a.zip", list(entries.items())))
        assert verdict.status in (1, 2), verdict.output


def test_a_duplicate_or_unusual_zip_entry_is_refused(tmp_path: Path) -> None:
    files = list(small().files().items())
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zip_of(tmp_path / "a.zip", [*files, files[0]])
    assert verify(twice).status == 2
    for how in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert verify(zip_of(tmp_path / "b.zip", files, how)).status == 2


def test_an_encrypted_or_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = made.write_zip(small().files(), tmp_path / "a.zip")
    raw = path.read_bytes()
    for at in range(0, len(raw), len(raw) // 16):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
        judged = verify(path)
        assert judged.status in (0, 1, 2)
        # Zip fields that the verifier does not read may have any value: the export is the same.
        if judged.status == 0:
            with zipfile.ZipFile(path) as archive:
                assert {
                    n: archive.read(n) for n in archive.namelist()
                }.keys() == small().files().keys()
    flagged = bytearray(raw)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = flagged.find(signature)
        while at != -1:
            flagged[at + offset] |= 1
            at = flagged.find(signature, at + 1)
    path.write_bytes(bytes(flagged))
    assert verify(path).status == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"PK\x03\x04",
        b"\x00" * 100,
        b"\xff\xfe{\x00}\x00",
        b"[" * 200_000 + b"]" * 200_000 + b"\n",
        b'{"v":1' + b" " * (2 << 20) + b"}\n",
        b'{"v":' + b"9" * 900_000 + b"}\n",
        b'{"v":1,"log":"\\ud800","site":"","created_at":"","key":null,"checkpoint":null}\n',
        b'{"v":1,"log":"\xc3\xa9","site":"\\u001b[2J","created_at":"","key":null,"checkpoint":null}\n',
        b'{"v":1,"log":"x","site":"","created_at":"","key":"AA","checkpoint":{"body":"AA","sig":"AA"}}\n',
    ],
)
def test_an_invalid_log_is_refused_with_a_message(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(raw)
    verdict = verify(path)
    assert verdict.output.isascii()
    assert "\x1b" not in verdict.output
    assert verdict.status in (1, 2) or "entries 0 to 0" in verdict.output


def test_a_missing_file_is_reported_as_unreadable(tmp_path: Path) -> None:
    assert verify(tmp_path / "nothing.zip").status == 2
    assert verify(tmp_path).status == 2
    path = made.write_zip(small().files(), tmp_path / "a.zip")
    assert verify(path, "--checkpoint", str(tmp_path / "nothing.json")).status == 2
    os.mkfifo(tmp_path / "keys.json")
    assert verify(tmp_path).status == 2


@pytest.mark.parametrize(
    "kept", ["{}", "[]", '{"body":1,"sig":2}', '{"body":"AA","sig":"AA"}', "x"]
)
def test_an_invalid_checkpoint_file_is_refused(kept: str, tmp_path: Path) -> None:
    path = made.write_zip(small().files(), tmp_path / "a.zip")
    (tmp_path / "kept.json").write_text(kept)
    assert verify(path, "--checkpoint", str(tmp_path / "kept.json")).status == 1
