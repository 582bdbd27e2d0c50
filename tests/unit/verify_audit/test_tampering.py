"""The verifier finds every change to an export, with and without the dashboard's key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys import new_signing_key
from app.protocol import canonical
from tests.support import audit_log_exports as made
from tests.support.audit_log_exports import SITE, Files, Made, small
from tests.support.hypothesis_profiles import examples
from tests.support.running_verifier import judge, verify
from tests.support.verified_exports import AUDIT_LOG, SHAPES, SHARED, SITE_FILE

# ---- changes without the dashboard's key ----


def touch_bytes(raw: bytes, data: Any) -> bytes:
    """Change a file's bytes once: flip a bit, truncate, insert, repeat or remove."""
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
    name = data.draw(st.sampled_from(sorted(name for name in files if files[name])))
    changed = touch_bytes(files[name], data)
    if changed != files[name]:
        assert judge({**files, name: changed}, tmp_path), name


@examples(quick=40, thorough=400, **SHARED)
@given(data=st.data())
def test_a_moved_line_is_found_with_a_forged_manifest(
    data: Any, exports: list[Files], tmp_path: Path
) -> None:
    """The manifest lists the changed files, and is signed with the forger's own key."""
    files = dict(data.draw(st.sampled_from(exports)))
    logs = [name for name in (AUDIT_LOG, SITE_FILE, "calls.jsonl") if files[name]]
    name = data.draw(st.sampled_from(logs))
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


def test_an_unlisted_file_is_refused(tmp_path: Path) -> None:
    files = small().files()
    extra = {f"sites/{made.another_uuid()}.jsonl": files[SITE_FILE]}
    assert judge(files | extra, tmp_path)


@pytest.mark.parametrize("name", sorted(small().files()))
def test_a_missing_file_is_found(name: str, tmp_path: Path) -> None:
    files = small().files()
    del files[name]
    verdict = verify(made.write_zip(files, tmp_path / "a.zip"))
    assert verdict.status == 2, verdict.output


def test_a_listed_file_that_is_missing_is_found(tmp_path: Path) -> None:
    files = small().files()
    other = f"sites/8{SITE[1:]}.jsonl"
    manifest = files["manifest.json"].replace(SITE_FILE.encode(), other.encode())
    assert manifest != files["manifest.json"]
    found = judge({**files, "manifest.json": manifest}, tmp_path)
    assert found == [f"{other} is missing or not part of an export"]


# ---- changes with the dashboard's key ----


def rewritten(export: Made, data: Any, last: int) -> list[made.Row]:
    """Return the audit log with one entry up to `last` changed and all later hashes recomputed."""
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
def test_a_rewritten_log_contradicts_the_checkpoints_of_sites(data: Any, tmp_path: Path) -> None:
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
def test_a_rewritten_log_contradicts_its_old_checkpoint(
    covers: dict[str, Any], data: Any, tmp_path: Path
) -> None:
    export = small(covers=covers)
    old = export.checkpoint_of(12)
    forged = small(seed=export.seed, covers=covers, rows=rewritten(export, data, 12), watched_at=())
    files = forged.files()
    files["checkpoints.json"] = canonical({**json.loads(files["checkpoints.json"]), "export": old})
    wrong = judge(made.sealed(files, forged.seed, covers), tmp_path)
    # An excerpt without a changed entry, which no checkpoint contradicts,
    # leads to the old root only if nothing was rewritten.
    assert wrong or files[AUDIT_LOG] == b""


def test_the_entry_where_two_histories_diverge_is_reported(tmp_path: Path) -> None:
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


def test_a_truncated_log_is_reported(tmp_path: Path) -> None:
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
def test_a_replaced_log_contradicts_a_kept_checkpoint(
    covers: dict[str, Any], tmp_path: Path
) -> None:
    """Only the kept checkpoint reveals it: the replaced log itself is consistent."""
    real, forged = small(), small(covers=covers)
    assert judge(forged.files(), tmp_path) == []
    assert judge(forged.files(), tmp_path, real.checkpoint_of(12))


@examples(quick=20, thorough=200, **SHARED)
@given(data=st.data())
def test_a_changed_site_log_contradicts_the_sites_checkpoints(data: Any, tmp_path: Path) -> None:
    export = small()
    rows = [{**row, "body": json.loads(row["body"])} for row in export.site_rows]
    rows[data.draw(st.integers(0, 5))]["body"]["facts"] = {"n": 77}
    files = export.files()
    files[SITE_FILE] = made.lines([made.site_head(SITE), *made.chained(rows, made.SITE_LOG)])
    wrong = judge(made.sealed(files, export.seed, {}), tmp_path)
    assert any("the log of site" in one for one in wrong)


def test_an_incomplete_site_log_is_no_contradiction(
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
def test_the_columns_of_an_entry_match_its_text(
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
def test_an_ambiguous_json_text_is_not_an_entry(body: str, tmp_path: Path) -> None:
    """Hashes and signatures fit, because the owner of the audit log wrote the text."""
    export = small(watched_at=())
    rows = [{**row, "body": body} if row["seq"] == 6 else row for row in export.rows]
    export.rows = made.chained(rows)
    verdict = verify(made.write_zip(export.files(), tmp_path / "a.zip"))
    assert (verdict.status, "entry 6:" in verdict.output) == (1, True), verdict.output[:300]


@pytest.mark.parametrize(
    "covers", [{"client": 1}, {"site": 7}, {"from": "2026-11-24T10:09:00+00:00"}]
)
def test_an_excerpt_has_only_entries_of_its_manifest(
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
