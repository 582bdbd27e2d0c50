"""A person takes the audit log along, as a file that a stranger can check."""

from __future__ import annotations

import io
from datetime import timedelta
from zipfile import ZipFile

import pytest

from app.domain.audit import export
from app.models.accounts import UserSession
from app.models.base import utcnow
from app.models.exports import QUEUED, RUNNING, AuditLogExport
from app.models.visibility import EVERYTHING

pytestmark = pytest.mark.both_databases

WHOLE = {"form": "zip", "private": "1"}


def newest():
    return AuditLogExport.newest(1, EVERYTHING)[0]


def written(config):
    export.run_export(newest().id, config=config)


def test_it_is_asked_for_written_and_downloaded(as_ana, site, config):
    assert 'href="/activity/exports"' in as_ana.get("/activity").text
    assert as_ana.post("/activity/exports", data=WHOLE).headers["Location"].endswith("#exports")
    waiting = as_ana.get("/activity/exports").text
    assert 'hx-get="/activity/exports/progress"' in waiting
    asked = newest()
    assert as_ana.post(f"/activity/exports/{asked.id}").status_code == 404
    asked.move(to=RUNNING, when=(QUEUED,), entries=1, total=9)
    assert 'max="9" value="1"' in as_ana.get("/activity/exports/progress").text
    asked.move(to=QUEUED, when=(RUNNING,))
    written(config)
    done = as_ana.get("/activity/exports").text
    assert "hx-get" not in done
    assert f'action="/activity/exports/{asked.id}"' in done
    file = as_ana.post(f"/activity/exports/{asked.id}")
    assert file.headers["Content-Disposition"].startswith("attachment; filename=aura-audit_log-")
    assert "verify_audit.py" in ZipFile(io.BytesIO(file.data)).namelist()
    file.close()
    assert file.headers["Cache-Control"] == "no-store"
    told = as_ana.get("/activity").text
    assert "Ana exported the audit log (Everything)" in told
    assert f"Ana downloaded export {asked.id} as zip, with personal data" in told


def test_a_link_alone_downloads_nothing(as_ana, site, config):
    as_ana.post("/activity/exports", data=WHOLE)
    written(config)
    assert as_ana.get(f"/activity/exports/{newest().id}").status_code == 405


def test_what_is_covered_is_what_was_chosen(as_ben, site, config):
    form = {"form": "csv", "site": str(site.id), "since": "2026-11-01", "until": "2026-11-30"}
    as_ben.post("/activity/exports", data=form)
    asked = newest()
    assert asked.scope == "Site Bakery, from 2026-11-01, before 2026-12-01"
    assert (asked.scope_site_id, asked.includes_private, asked.form) == (site.id, False, "csv")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"form": "exe"}, "form"),
        ({"since": "yesterday"}, "since"),
        ({"until": "9999-12-31"}, "until"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "until"),
    ],
)
def test_a_mistake_is_told_beside_its_field_and_the_rest_is_kept(as_ben, site, changes, field):
    answer = as_ben.post("/activity/exports", data={**WHOLE, "site": str(site.id), **changes})
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert f'<option value="{site.id}" selected>' in answer.text
    assert AuditLogExport.select().count() == 0


def test_a_site_nobody_knows_is_not_found(as_ben):
    assert as_ben.post("/activity/exports", data={**WHOLE, "site": "4711"}).status_code == 404
    assert AuditLogExport.select().count() == 0


@pytest.mark.parametrize("field", ["client", "site"])
@pytest.mark.parametrize("text", ["4711", "0", "-1", "x", "9" * 30])
def test_what_is_not_known_does_not_widen_the_export(as_ben, field, text):
    assert as_ben.post("/activity/exports", data={**WHOLE, field: text}).status_code == 404
    assert AuditLogExport.select().count() == 0


def test_the_password_is_asked_for_first(as_ana):
    UserSession.update(confirmed_at=utcnow() - timedelta(minutes=16)).execute()
    assert "Confirm your identity" in as_ana.post("/activity/exports", data=WHOLE).text
    assert AuditLogExport.select().count() == 0


def test_whoever_only_looks_takes_nothing_along(as_cleo, as_dora, as_ana, config):
    as_ana.post("/activity/exports", data=WHOLE)
    written(config)
    for person in (as_cleo, as_dora):
        assert person.get("/activity/exports").status_code == 403
        assert person.post("/activity/exports/1").status_code == 403
        assert person.post("/activity/exports", data=WHOLE).status_code == 403
    assert "/activity/exports" not in as_cleo.get("/activity").text


def test_only_an_owner_takes_everything_along(as_ana, as_mia, as_ben, site, config):
    for person in (as_mia, as_ben):
        answer = person.post("/activity/exports", data={**WHOLE, "since": "2026-11-01"})
        assert (answer.status_code, 'id="f-client-error"' in answer.text) == (422, True)
    assert AuditLogExport.select().count() == 0
    as_ana.post("/activity/exports", data=WHOLE)
    written(config)
    assert as_mia.post(f"/activity/exports/{newest().id}").status_code == 403
    as_mia.post("/activity/exports", data={**WHOLE, "site": str(site.id)})
    written(config)
    assert as_ben.post(f"/activity/exports/{newest().id}").status_code == 200
