"""A stranger checks an export: what fits is said to fit, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from app.domain.audit import merkle
from app.keys import new_signing_key
from app.protocol import canonical
from tests.support import audit_log_exports as made
from tests.support.audit_log_exports import SITE, VERIFIER, Files, Made, small
from tests.support.hypothesis_profiles import examples
from tests.support.running_verifier import judge, program, verify, without_network

AUDIT_LOG = "audit_log.jsonl"
SITE_FILE = f"sites/{SITE}.jsonl"


# ---- it works ----


def test_a_whole_export_fits(tmp_path: Path) -> None:
    verdict = verify(made.write_zip(small().files(), tmp_path / "a.zip"))
    assert verdict.status == 0, verdict.output
    assert "INTACT" in verdict.output
    assert "that everything was recorded" in verdict.output


def test_so_does_the_folder_it_was_unpacked_into(tmp_path: Path) -> None:
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
def test_an_excerpt_fits_and_shows_nobody_else(covers: dict[str, Any], tmp_path: Path) -> None:
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
    """A site's log whose oldest entries went, as its newest tells."""
    rows = made.site_log(6)
    told = {
        "v": 1, "at": "2026-11-24T10:07:00Z", "event": "log_trimmed", "actor": "site",
        "facts": {"through": through, "hash": rows[through - 1]["hash"]},
    }  # fmt: skip
    last = made.chained([{"seq": 7, "body": told}], made.SITE_LOG, bytes.fromhex(rows[-1]["hash"]))
    return [*rows, *last][through:]


def test_a_trimmed_log_fits_if_it_says_what_went(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(made.lines([made.site_head("x"), *trimmed(3)]))
    verdict = verify(path)
    assert (verdict.status, "entries 4 to 7" in verdict.output) == (0, True), verdict.output
    assert "Its end is not signed" in verdict.output
    path.write_bytes(made.lines([made.site_head("x"), *trimmed(3)[1:]]))
    verdict = verify(path)
    assert (verdict.status, "the entries before 5 are missing" in verdict.output) == (1, True)


def with_somebody_erased() -> Made:
    """Somebody's details are gone from two entries, and the last one tells of it."""
    rows = [
        made.entry(
            seq, client=1, site=7, event="personal_data_erased" if seq == 9 else "site_called"
        )
        for seq in range(1, 10)
    ]
    for seq in (5, 7):
        rows[seq - 1] |= {"salt": None, "detail": None}
    return Made(made.chained(rows))


def test_what_is_private_does_not_vanish_without_an_entry_of_it(tmp_path: Path) -> None:
    export = with_somebody_erased()
    export.rows = export.rows[:8]
    verdict = verify(made.write_zip(export.files(), tmp_path / "a.zip"))
    assert (verdict.status, "entry 5: no entry records the erasure" in verdict.output) == (
        1,
        True,
    ), verdict.output


def test_what_was_erased_is_named_and_still_fits(tmp_path: Path) -> None:
    export = with_somebody_erased()
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


def test_a_checkpoint_that_an_excerpt_cannot_judge_is_not_said_to_fit(tmp_path: Path) -> None:
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


def test_what_a_zip_says_beside_its_contents_is_harmless(tmp_path: Path) -> None:
    """Times, order, packing and comments belong to the transport: no entry depends on them."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = b"sent by post"
        for name, raw in reversed(small().files().items()):
            archive.writestr(zipfile.ZipInfo(name, (1999, 1, 1, 0, 0, 0)), raw)
    assert verify(path).status == 0


def pythons() -> list[str]:
    """Every Python here that is old enough to ask for, the one that runs the tests first."""
    found = [shutil.which(f"python3.{minor}") for minor in range(8, 16)]
    roots = Path(sys.base_prefix).parent.glob("3.*/bin/python3")
    works = [sys.executable]
    for python in sorted({*filter(None, found), *map(str, roots)}):
        asked = subprocess.run(
            [python, "-c", "import sys; sys.exit(sys.version_info < (3, 8))"], capture_output=True
        )
        works += [python] if asked.returncode == 0 else []
    return works


def test_it_runs_on_every_python_there_is(tmp_path: Path) -> None:
    path = made.write_zip(small().files(), tmp_path / "a.zip")
    for python in pythons():
        verdict = verify(path, python=python)
        assert verdict.status == 0, f"{python}: {verdict.output}"


def test_the_program_is_written_for_python_3_8_and_imports_nothing_else() -> None:
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


def test_whoever_watches_it_sees_what_it_must_not_do(tmp_path: Path) -> None:
    """The watch itself, seen at work: a program that calls out, or writes, does not get by."""
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
def test_it_agrees_with_a_library_of_renown(seed: bytes, message: bytes, data: Any) -> None:
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


def test_a_signature_cannot_be_written_in_a_second_way() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, signature = private.public_key().public_bytes_raw(), private.sign(b"x")
    again = int.from_bytes(signature[32:], "little") + program.ORDER
    assert not program.is_signed(key, b"x", signature[:32] + again.to_bytes(32, "little"))


@examples(quick=40, thorough=400)
@given(st.integers(1, 70), st.data())
def test_paths_lead_where_those_of_the_product_lead(size: int, data: Any) -> None:
    leaves = [sha256(b"%d" % n).digest() for n in range(size)]
    whole, index = merkle.Tree(leaves), data.draw(st.integers(0, size - 1))
    path = [one.hex() for one in whole.path(index)]
    assert program.root_by_path(leaves[index], index, size, path) == whole.root()
    for wrong in ([*path, "00" * 32], path[:-1]):
        if wrong != path:
            assert program.root_by_path(leaves[index], index, size, wrong) != whole.root()


# ---- what somebody changed who has no key ----

SHAPES = [{}, {"client": 1}, {"site": 8}, {"from": "2026-11-24T10:05:00+00:00"}]
SHARED = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.fixture(scope="module")
def exports() -> list[Files]:
    return [small(covers=covers).files() for covers in SHAPES]


def touch_bytes(raw: bytes, data: Any) -> bytes:
    """One change to a file's bytes: a bit, a cut, something put in, repeated or left out."""
    at = data.draw(st.integers(0, max(0, len(raw) - 1)))
    much = data.draw(st.integers(1, 200))
    how = data.draw(st.sampled_from(["bit", "truncate", "insert", "drop", "repeat", "empty"]))
    if how == "bit":
        return raw[:at] + bytes([raw[at] ^ 1 << data.draw(st.integers(0, 7))]) + raw[at + 1 :]
    changed = {
        "truncate": raw[:at],
        "insert": raw[:at] + data.draw(st.binary(min_size=1, max_size=40)) + raw[at:],
        "drop": raw[:at] + raw[at + much :],
        "repeat": raw[: at + much] + raw[at:],
        "empty": b"",
    }
    return changed[how]


@examples(quick=40, thorough=400, **SHARED)
@given(data=st.data())
def test_no_byte_of_any_file_can_be_changed(
    data: Any, exports: list[Files], tmp_path: Path
) -> None:
    files = dict(data.draw(st.sampled_from(exports)))
    name = data.draw(st.sampled_from(sorted(files)))
    changed = touch_bytes(files[name], data)
    if changed != files[name]:
        assert judge({**files, name: changed}, tmp_path), name


@examples(quick=40, thorough=400, **SHARED)
@given(data=st.data())
def test_no_line_of_any_log_can_be_moved_and_the_list_of_files_be_made_to_fit(
    data: Any, exports: list[Files], tmp_path: Path
) -> None:
    """As above, and the manifest names the new files, signed with a key of the forger's own."""
    files = dict(data.draw(st.sampled_from(exports)))
    name = data.draw(st.sampled_from([AUDIT_LOG, SITE_FILE]))
    files[name] = move_lines(files[name], data)
    forged = made.sealed(files, new_signing_key(), json.loads(files["manifest.json"])["covers"])
    assert judge(forged, tmp_path)


def move_lines(raw: bytes, data: Any) -> bytes:
    rows = raw.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(st.integers(0, len(rows) - 1))
    how = data.draw(st.sampled_from(["drop", "repeat", "swap", "truncate"]))
    if how == "drop":
        del rows[at]
    elif how == "repeat":
        rows.insert(other, rows[at])
    elif how == "swap":
        rows[at], rows[other] = rows[other], rows[at]
    else:
        rows = rows[:at]
    return b"".join(rows)


def test_a_file_that_nobody_named_is_not_accepted(tmp_path: Path) -> None:
    files = small().files()
    extra = {f"sites/{made.another_uuid()}.jsonl": files[SITE_FILE]}
    assert judge(files | extra, tmp_path)


@pytest.mark.parametrize("name", sorted(small().files()))
def test_a_missing_file_is_missed(name: str, tmp_path: Path) -> None:
    files = small().files()
    del files[name]
    verdict = verify(made.write_zip(files, tmp_path / "a.zip"))
    assert verdict.status == 2, verdict.output


def test_a_file_that_is_named_and_not_there_is_missed(tmp_path: Path) -> None:
    files = small().files()
    other = f"sites/8{SITE[1:]}.jsonl"
    manifest = files["manifest.json"].replace(SITE_FILE.encode(), other.encode())
    assert manifest != files["manifest.json"]
    found = judge({**files, "manifest.json": manifest}, tmp_path)
    assert found == [f"{other} is missing or not part of an export"]


# ---- what the keeper of the audit log changed, who has the dashboard's key ----


def rewritten(export: Made, data: Any, last: int) -> list[made.Row]:
    """The audit log with one of its entries up to `last` made otherwise, and hashed anew to its
    end."""
    rows = [{**row, "body": json.loads(row["body"])} for row in export.rows]
    at = data.draw(st.integers(0, last - 1))
    how = data.draw(st.sampled_from(["say", "drop", "swap", "insert", "time", "about", "erase"]))
    if how == "say":
        rows[at]["body"]["facts"]["op"] = "pong"
    elif how == "drop":
        del rows[at]
    elif how == "swap":
        rows[at], rows[at - 1] = rows[at - 1], rows[at]
    elif how == "insert":
        rows.insert(at, made.entry(99, client=1, site=7))
    elif how == "time":
        rows[at]["body"]["at"] = "2026-11-24T09:00:00+00:00"
    elif how == "about":
        rows[at]["body"]["site"] = 9
    else:
        rows[at]["body"]["actor"] = {"id": 2, "kind": "user"}
    return made.chained([{**row, "seq": n} for n, row in enumerate(rows, 1)])


@examples(quick=30, thorough=300, **SHARED)
@given(data=st.data())
def test_an_audit_log_written_anew_contradicts_the_checkpoints_that_sites_hold(
    data: Any, tmp_path: Path
) -> None:
    export = small()
    held = [export.checkpoint_of(n) for n in export.watched_at]
    forged = small(seed=export.seed, rows=rewritten(export, data, export.watched_at[-1]))
    files = forged.files()
    checkpoints = json.loads(files["checkpoints.json"])
    for one, checkpoint in zip(checkpoints["by_sites"], held, strict=True):
        one["checkpoint"] = checkpoint
    files["checkpoints.json"] = canonical(checkpoints)
    wrong = judge(made.sealed(files, forged.seed, {}), tmp_path)
    assert any("was rewritten after entry" in one or "was removed" in one for one in wrong)


@examples(quick=20, thorough=200, **SHARED)
@given(covers=st.sampled_from(SHAPES), data=st.data())
def test_an_audit_log_written_anew_with_its_old_checkpoint_is_no_longer_that_audit_log(
    covers: dict[str, Any], data: Any, tmp_path: Path
) -> None:
    export = small(covers=covers)
    old = export.checkpoint_of(12)
    forged = small(seed=export.seed, covers=covers, rows=rewritten(export, data, 12), watched_at=())
    files = forged.files()
    files["checkpoints.json"] = canonical({**json.loads(files["checkpoints.json"]), "export": old})
    wrong = judge(made.sealed(files, forged.seed, covers), tmp_path)
    # An excerpt none of whose entries changed, and which nothing holds against the new audit log,
    # still leads to the old root only if nothing was rewritten at all.
    assert wrong or files[AUDIT_LOG] == b""


def test_where_two_histories_part_is_said(tmp_path: Path) -> None:
    export = small()
    rows = [{**row, "body": json.loads(row["body"])} for row in export.rows]
    rows[7]["body"]["facts"]["op"] = "pong"
    forged = small(seed=export.seed, rows=made.chained(rows))
    files = forged.files()
    checkpoints = json.loads(files["checkpoints.json"])
    for one, n in zip(checkpoints["by_sites"], export.watched_at, strict=True):
        one["checkpoint"] = export.checkpoint_of(n)
    files["checkpoints.json"] = canonical(checkpoints)
    verdict = verify(made.write_zip(made.sealed(files, export.seed, {}), tmp_path / "a.zip"))
    assert verdict.status == 1
    assert f"site {SITE}: its entry 11 differs from the audit log" in verdict.output
    assert "was rewritten after entry 5" in verdict.output


def test_an_end_that_was_cut_off_is_said(tmp_path: Path) -> None:
    export = small()
    held = export.checkpoint_of(11)
    cut = small(seed=export.seed, rows=export.rows[:9], watched_at=(3, 5))
    files = cut.files()
    checkpoints = json.loads(files["checkpoints.json"])
    checkpoints["by_sites"].append({"site": SITE, "path": None, "checkpoint": held})
    files["checkpoints.json"] = canonical(checkpoints)
    verdict = verify(made.write_zip(made.sealed(files, export.seed, {}), tmp_path / "a.zip"))
    assert (verdict.status, "ends with entry 9" in verdict.output) == (1, True), verdict.output
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(held))
    verdict = verify(made.write_zip(cut.files(), tmp_path / "b.zip"), "--checkpoint", str(kept))
    assert (verdict.status, "ends with entry 9" in verdict.output) == (1, True), verdict.output


@pytest.mark.parametrize("covers", SHAPES)
def test_a_whole_other_audit_log_under_another_key_contradicts_a_checkpoint_kept_elsewhere(
    covers: dict[str, Any], tmp_path: Path
) -> None:
    """Without that mark it cannot be told: everything in it fits, as it does in the real one."""
    real, forged = small(), small(covers=covers)
    assert judge(forged.files(), tmp_path) == []
    assert judge(forged.files(), tmp_path, real.checkpoint_of(12))


@examples(quick=20, thorough=200, **SHARED)
@given(data=st.data())
def test_a_sites_log_changed_by_the_dashboard_contradicts_the_sites_checkpoints(
    data: Any, tmp_path: Path
) -> None:
    export = small()
    rows = [{**row, "body": json.loads(row["body"])} for row in export.site_rows]
    rows[data.draw(st.integers(0, 5))]["body"]["facts"] = {"n": 77}
    files = export.files()
    files[SITE_FILE] = made.lines([made.site_head(SITE), *made.chained(rows, made.SITE_LOG)])
    wrong = judge(made.sealed(files, export.seed, {}), tmp_path)
    assert any("the log of site" in one for one in wrong)


def test_a_site_log_of_which_less_was_received_than_the_site_had_is_no_contradiction(
    tmp_path: Path,
) -> None:
    export = small()
    files = export.files()
    files[SITE_FILE] = made.lines([made.site_head(SITE), *export.site_rows[:4]])
    files = made.sealed(files, export.seed, {})
    verdict = verify(made.write_zip(files, tmp_path / "a.zip"))
    assert (verdict.status, "Aura had not received entries 5 to 6" in verdict.output) == (0, True)


def resealed(export: Made, name: str, raw: bytes) -> Files:
    return made.sealed({**export.files(), name: raw}, export.seed, export.covers)


@pytest.mark.parametrize(
    ("covers", "change"),
    [
        ({}, {"salt": "00" * 16}),
        ({}, {"detail": '{"actor":{"ip":"192.0.2.9","name":"Ana 6"},"facts":{}}'}),
        ({}, {"detail": None}),
        ({}, {"salt": None}),
        ({}, {"path": []}),
        ({}, {"seq": 6.0}),
        ({}, {"seq": True}),
        ({}, {"hash": "A" * 64}),
        ({}, {"more": 1}),
        ({"client": 1}, {"path": []}),
        ({"client": 1}, {"path": ["00" * 32] * 4}),
        ({"client": 1}, {"path": None}),
        ({"client": 1}, {"path": [1]}),
        ({"client": 1}, {"path": ["0" * 63]}),
    ],
)
def test_the_parts_of_an_entry_beside_its_text(
    covers: dict[str, Any], change: dict[str, Any], tmp_path: Path
) -> None:
    export = small(covers=covers)
    rows = [json.loads(line) for line in export.files()[AUDIT_LOG].splitlines()]
    rows = [{**row, **change} if row["seq"] == 6 else row for row in rows]
    wrong = judge(resealed(export, AUDIT_LOG, made.lines(rows)), tmp_path)
    assert wrong
    assert "entry 6:" in wrong[0] or "seq" in change, wrong


@pytest.mark.parametrize(
    "body",
    [
        '{"at":"2026-11-24T10:06:00+00:00"}',
        '{"v":2, "at":"2026-11-24T10:06:00+00:00"}',
        '{"a":1,"a":1,"at":"2026-11-24T10:06:00+00:00"}',
        '{"at":"2026-11-24T10:06:00+00:00","x":1.0}',
        '{"at":"2026-11-24T10:06:00+00:00","x":9007199254740992}',
        '{"at":"2026-11-24T10:06:00+00:00","x":' + "9" * 5000 + "}",
        '{"at":"2026-11-24T10:06:00+00:00","x":NaN}',
        '{"at":"yesterday"}',
        '{"at":"2026-11-24T10:06:00+00:00","é":1}',
        '{"at":7}',
        "[]",
        "7",
        "",
        '{"at":"2026-11-24T10:06:00+00:00","x":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_a_text_that_two_programs_could_read_differently_is_no_entry(
    body: str, tmp_path: Path
) -> None:
    """Hashed, marked and signed as it is: the keeper of the audit log wrote it so."""
    export = small(watched_at=())
    rows = [{**row, "body": body} if row["seq"] == 6 else row for row in export.rows]
    export.rows = made.chained(rows)
    verdict = verify(made.write_zip(export.files(), tmp_path / "a.zip"))
    assert (verdict.status, "entry 6:" in verdict.output) == (1, True), verdict.output[:300]


@pytest.mark.parametrize(
    "covers", [{"client": 1}, {"site": 7}, {"from": "2026-11-24T10:09:00+00:00"}]
)
def test_an_excerpt_holds_no_entry_that_its_manifest_does_not_cover(
    covers: dict[str, Any], tmp_path: Path
) -> None:
    wider = small(covers={"to": "2027-01-01T00:00:00+00:00"})
    files = {**wider.files()}
    assert judge(made.sealed(files, wider.seed, {**wider.covers, **covers}), tmp_path)


def test_an_excerpt_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    export = small(covers={"client": 1})
    assert judge(made.sealed(export.files(), export.seed, {}), tmp_path)


@pytest.mark.parametrize("whose", ["dashboard", "site"])
def test_another_key_or_another_fingerprint_does_not_fit(whose: str, tmp_path: Path) -> None:
    export, other = small(), made.public(new_signing_key())
    for change in (other, {"fingerprint": other["fingerprint"]}, {"key": other["key"]}):
        keys = json.loads(export.files()["keys.json"])
        (keys["dashboard"] if whose == "dashboard" else keys["sites"][0]).update(change)
        assert judge(resealed(export, "keys.json", canonical(keys)), tmp_path)


# ---- hostile files ----


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
def test_any_value_anywhere_is_refused_without_an_accident(
    data: Any, exports: list[Files], tmp_path: Path
) -> None:
    """Also where the list of files fits: every value is looked at before it is used."""
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
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    entries = [*small().files().items(), (name, b"x")]
    verdict = verify(zip_of(tmp_path / "a.zip", entries))
    assert (verdict.status, "\x1b" in verdict.output) == (2, False)


def test_a_manifest_that_names_a_file_outside_is_refused(tmp_path: Path) -> None:
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


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    zeros = bytes(200 * 1024 * 1024)
    for name in (AUDIT_LOG, "README.txt", "keys.json"):
        entries = {**small().files(), name: zeros}
        verdict = verify(zip_of(tmp_path / "a.zip", list(entries.items())))
        assert verdict.status in (1, 2), verdict.output


def test_a_file_of_two_names_or_packed_otherwise_is_refused(tmp_path: Path) -> None:
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
        # Fields of a zip that nobody reads may be anything; what was exported is the same then.
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
def test_what_is_no_log_is_refused_in_words(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(raw)
    verdict = verify(path)
    assert verdict.output.isascii()
    assert "\x1b" not in verdict.output
    assert verdict.status in (1, 2) or "entries 0 to 0" in verdict.output


def test_what_is_not_there_is_said_to_be_unreadable(tmp_path: Path) -> None:
    assert verify(tmp_path / "nothing.zip").status == 2
    assert verify(tmp_path).status == 2
    path = made.write_zip(small().files(), tmp_path / "a.zip")
    assert verify(path, "--checkpoint", str(tmp_path / "nothing.json")).status == 2
    os.mkfifo(tmp_path / "keys.json")
    assert verify(tmp_path).status == 2


@pytest.mark.parametrize(
    "kept", ["{}", "[]", '{"body":1,"sig":2}', '{"body":"AA","sig":"AA"}', "x"]
)
def test_a_kept_checkpoint_that_is_none_fits_nothing(kept: str, tmp_path: Path) -> None:
    path = made.write_zip(small().files(), tmp_path / "a.zip")
    (tmp_path / "kept.json").write_text(kept)
    assert verify(path, "--checkpoint", str(tmp_path / "kept.json")).status == 1
