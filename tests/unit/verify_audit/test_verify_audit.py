"""Verify whole exports, excerpts and site logs with the standalone verifier."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from app.domain.audit import merkle
from app.keys import new_signing_key
from tests.support import audit_log_exports as made
from tests.support.audit_log_exports import VERIFIER, Made, small
from tests.support.hypothesis_profiles import examples
from tests.support.running_verifier import judge, program, verify, without_network
from tests.support.verified_exports import AUDIT_LOG

# ---- it works ----


def test_a_whole_export_fits(tmp_path: Path) -> None:
    verdict = verify(made.write_zip(small().files(), tmp_path / "a.zip"))
    assert verdict.status == 0, verdict.output
    assert "INTACT" in verdict.output
    assert "that everything was recorded" in verdict.output


def test_an_unpacked_export_fits(tmp_path: Path) -> None:
    for name, raw in small().files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(raw)
    (tmp_path / ".DS_Store").write_bytes(b"left by a file manager")
    assert verify(tmp_path).status == 0


@pytest.mark.parametrize(
    "covers",
    [
        {"client": 1},
        {"site": 8},
        {"from": "2026-11-24T10:05:00+00:00"},
        {"to": "2026-11-24T10:05:00+00:00"},
        {"client": 2, "from": "2026-11-24T10:03:00+00:00", "to": "2026-11-24T10:09:00+00:00"},
        {"client": 99},
    ],
)
def test_an_excerpt_fits_and_shows_no_other_client(covers: dict[str, Any], tmp_path: Path) -> None:
    files = small(covers=covers).files()
    verdict = verify(made.write_zip(files, tmp_path / "a.zip"))
    assert verdict.status == 0, verdict.output
    assert files[AUDIT_LOG].count(b"\n") < 12


def test_a_sites_own_log_fits(tmp_path: Path) -> None:
    seed, rows = new_signing_key(), made.site_log(6)
    head = made.site_head(
        "https://bakery.example",
        key=made.public(seed)["key"],
        checkpoint=made.checkpoint(seed, rows[-1], made.SITE_LOG),
    )
    path = tmp_path / "log.jsonl"
    path.write_bytes(made.lines([head, *rows]))
    verdict = verify(path)
    assert (verdict.status, "entries 1 to 6" in verdict.output) == (0, True), verdict.output


def trimmed(through: int) -> list[made.Row]:
    """Return a site's log without its oldest entries, and an entry that records that."""
    rows = made.site_log(6)
    record = {
        "v": 1, "at": "2026-11-24T10:07:00Z", "event": "log_trimmed", "actor": "site",
        "facts": {"through": through, "hash": rows[through - 1]["hash"]},
    }  # fmt: skip
    last = made.chained(
        [{"seq": 7, "body": record}], made.SITE_LOG, bytes.fromhex(rows[-1]["hash"])
    )
    return [*rows, *last][through:]


def test_a_trimmed_log_fits_if_it_records_the_removal(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(made.lines([made.site_head("x"), *trimmed(3)]))
    verdict = verify(path)
    assert (verdict.status, "entries 4 to 7" in verdict.output) == (0, True), verdict.output
    assert "Its end is not signed" in verdict.output
    path.write_bytes(made.lines([made.site_head("x"), *trimmed(3)[1:]]))
    verdict = verify(path)
    assert (verdict.status, "the entries before 5 are missing" in verdict.output) == (1, True)


def with_erased_details() -> Made:
    """Return a log with the private details of two entries erased, as the last entry records."""
    rows = [
        made.entry(
            seq, client=1, site=7, event="personal_data_erased" if seq == 9 else "site_called"
        )
        for seq in range(1, 10)
    ]
    for seq in (5, 7):
        rows[seq - 1] |= {"salt": None, "detail": None}
    return Made(made.chained(rows))


def test_private_details_cannot_vanish_without_an_entry(tmp_path: Path) -> None:
    export = with_erased_details()
    export.rows = export.rows[:8]
    verdict = verify(made.write_zip(export.files(), tmp_path / "a.zip"))
    assert (verdict.status, "entry 5: no entry records the erasure" in verdict.output) == (
        1,
        True,
    ), verdict.output


def test_erased_details_are_reported_and_fit(tmp_path: Path) -> None:
    export = with_erased_details()
    verdict = verify(made.write_zip(export.files(), tmp_path / "a.zip"))
    assert (verdict.status, "was erased in 2 of its entries: 5, 7" in verdict.output) == (0, True)
    export.covers = {"private": False}
    verdict = verify(made.write_zip(export.files(), tmp_path / "a.zip"))
    assert "is left out in 2 of its entries: 5, 7" in verdict.output


@pytest.mark.parametrize("covers", [{}, {"client": 1}])
def test_a_checkpoint_kept_elsewhere_fits(covers: dict[str, Any], tmp_path: Path) -> None:
    export = small(covers=covers)
    path = made.write_zip(export.files(), tmp_path / "a.zip")
    # In an excerpt: one that a site held too, or one of an entry that is shown.
    for n in (3, 6, 12):
        kept = tmp_path / "kept.json"
        kept.write_text(json.dumps(export.checkpoint_of(n)))
        verdict = verify(path, "--checkpoint", str(kept))
        assert verdict.status == 0, verdict.output


def test_a_checkpoint_from_before_a_key_rotation_fits(tmp_path: Path) -> None:
    before = small()
    kept = before.checkpoint_of(6)
    renewed = replace(before, seed=new_signing_key(), former_seeds=(before.seed,))
    assert judge(renewed.files(), tmp_path, kept) == []
    stranger = replace(renewed, former_seeds=(new_signing_key(),))
    assert "not signed with one of its keys" in judge(stranger.files(), tmp_path, kept)[0]


def test_an_excerpt_cannot_confirm_every_checkpoint(tmp_path: Path) -> None:
    export = small(covers={"client": 1})
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(export.checkpoint_of(7)))
    verdict = verify(made.write_zip(export.files(), tmp_path / "a.zip"), "--checkpoint", str(kept))
    assert (
        verdict.status,
        "is not in this export, so it cannot be compared" in verdict.output,
    ) == (
        1,
        True,
    ), verdict.output


def test_zip_metadata_is_ignored(tmp_path: Path) -> None:
    """Times, order, packing and comments belong to the transport: no entry depends on them."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"sent by post"
        for name, raw in reversed(small().files().items()):
            archive.writestr(zipfile.ZipInfo(name, (1999, 1, 1, 0, 0, 0)), raw)
    assert verify(path).status == 0


def pythons() -> list[str]:
    """Return every supported Python on this machine, beginning with the one that runs the tests."""
    found = [shutil.which(f"python3.{minor}") for minor in range(8, 16)]
    roots = Path(sys.base_prefix).parent.glob("3.*/bin/python3")
    works = [sys.executable]
    for python in sorted({*filter(None, found), *map(str, roots)}):
        version = subprocess.run(
            [python, "-c", "import sys; sys.exit(sys.version_info < (3, 8))"], capture_output=True
        )
        works += [python] if version.returncode == 0 else []
    return works


def test_the_verifier_runs_on_every_installed_python(tmp_path: Path) -> None:
    path = made.write_zip(small().files(), tmp_path / "a.zip")
    for python in pythons():
        verdict = verify(path, python=python)
        assert verdict.status == 0, f"{python}: {verdict.output}"


def test_the_verifier_needs_only_python_3_8() -> None:
    import ast

    source = ast.parse(VERIFIER.read_text("utf-8"), feature_version=(3, 8))
    imported = {
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(source)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    }
    assert {str(one).partition(".")[0] for one in imported} <= set(sys.stdlib_module_names)
    assert not imported & {"socket", "urllib", "http", "subprocess", "ssl", "ctypes"}


def test_the_sandbox_reports_forbidden_actions(tmp_path: Path) -> None:
    """The sandbox itself stops a program that connects or writes."""
    from tests.support import running_verifier

    for line in ("import socket; socket.create_connection(('127.0.0.1', 9))", "open('x', 'w')"):
        bad = tmp_path / "bad.py"
        bad.write_text(line)
        done = subprocess.run(
            [sys.executable, "-I", "-c", running_verifier._WATCHED, str(bad)],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        assert (done.returncode, "FORBIDDEN" in done.stderr) == (99, True)
    if without_network():
        done = (
            subprocess.run([*without_network(), "ip", "-o", "link"], capture_output=True, text=True)
            if shutil.which("ip")
            else None
        )
        assert done is None or "eth" not in done.stdout


# ---- Ed25519 ----

# RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_rfc_8032(key: str, message: str, signature: str) -> None:
    raw = [bytes.fromhex(one) for one in (key, message, signature)]
    assert program.is_signed(*raw)
    assert not program.is_signed(raw[0], raw[1] + b"x", raw[2])


def by_library(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@examples(quick=30, thorough=300)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.data())
def test_the_verifier_agrees_with_the_cryptography_library(
    seed: bytes, message: bytes, data: Any
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert program.is_signed(key, message, signature)
    whole = bytearray(key + signature + message)
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    touched = bytes(whole[:32]), bytes(whole[96:]), bytes(whole[32:96])
    assert program.is_signed(*touched) == by_library(*touched) is False


@examples(quick=30, thorough=300)
@given(st.binary(max_size=40), st.binary(max_size=8), st.binary(max_size=70))
def test_keys_and_signatures_of_any_bytes_are_refused(
    key: bytes, message: bytes, signature: bytes
) -> None:
    assert not program.is_signed(key, message, signature)


def test_a_signature_has_only_one_encoding() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, signature = private.public_key().public_bytes_raw(), private.sign(b"x")
    again = int.from_bytes(signature[32:], "little") + program.ORDER
    assert not program.is_signed(key, b"x", signature[:32] + again.to_bytes(32, "little"))


@examples(quick=40, thorough=400)
@given(st.integers(1, 70), st.data())
def test_merkle_paths_match_those_of_aura(size: int, data: Any) -> None:
    leaves = [sha256(b"%d" % n).digest() for n in range(size)]
    whole, index = merkle.Tree(leaves), data.draw(st.integers(0, size - 1))
    path = [one.hex() for one in whole.path(index)]
    assert program.root_by_path(leaves[index], index, size, path) == whole.root()
    for wrong in ([*path, "00" * 32], path[:-1]):
        if wrong != path:
            assert program.root_by_path(leaves[index], index, size, wrong) != whole.root()
