"""Export the audit log as a file: who may export what, and how the file is downloaded."""

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


def newest_export():
    return AuditLogExport.newest(1, EVERYTHING)[0]


def write_export(config):
    export.run_export(newest_export().id, config=config)


def test_an_export_is_requested_written_and_downloaded(as_ana, site, config):
    assert 'href="/activity/exports"' in as_ana.get("/activity").text
    assert as_ana.post("/activity/exports", data=WHOLE).headers["Location"].endswith("#exports")
    waiting = as_ana.get("/activity/exports").text
    assert 'hx-get="/activity/exports/progress"' in waiting
    row = newest_export()
    assert as_ana.post(f"/activity/exports/{row.id}").status_code == 404
    row.move(to=RUNNING, when=(QUEUED,), entries=1, total=9)
    assert 'max="9" value="1"' in as_ana.get("/activity/exports/progress").text
    row.move(to=QUEUED, when=(RUNNING,))
    write_export(config)
    done = as_ana.get("/activity/exports").text
    assert "hx-get" not in done
    assert f'action="/activity/exports/{row.id}"' in done
    file = as_ana.post(f"/activity/exports/{row.id}")
    assert file.headers["Content-Disposition"].startswith("attachment; filename=aura-audit_log-")
    assert "verify_audit.py" in ZipFile(io.BytesIO(file.data)).namelist()
    file.close()
    assert file.headers["Cache-Control"] == "no-store"
    activity = as_ana.get("/activity").text
    assert "Ana exported the audit log (Everything)" in activity
    assert f"Ana downloaded export {row.id} as zip, with personal data" in activity


def test_a_link_alone_downloads_nothing(as_ana, site, config):
    as_ana.post("/activity/exports", data=WHOLE)
    write_export(config)
    assert as_ana.get(f"/activity/exports/{newest_export().id}").status_code == 405


def test_an_export_covers_what_was_chosen(as_ben, site, config):
    form = {"form": "csv", "site": str(site.id), "since": "2026-11-01", "until": "2026-11-30"}
    as_ben.post("/activity/exports", data=form)
    row = newest_export()
    assert row.scope == "Site Bakery, from 2026-11-01, before 2026-12-01"
    assert (row.scope_site_id, row.includes_private, row.form) == (site.id, False, "csv")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"form": "exe"}, "form"),
        ({"since": "yesterday"}, "since"),
        ({"until": "9999-12-31"}, "until"),
        ({"since": "2026-11-02", "until": "2026-11-01"}, "until"),
    ],
)
def test_a_mistake_is_an_error_at_its_field_and_the_rest_is_kept(as_ben, site, changes, field):
    response = as_ben.post("/activity/exports", data={**WHOLE, "site": str(site.id), **changes})
    assert response.status_code == 422
    assert f'id="f-{field}-error"' in response.text
    assert f'<option value="{site.id}" selected>' in response.text
    assert AuditLogExport.select().count() == 0


def test_an_unknown_site_is_not_found(as_ben):
    assert as_ben.post("/activity/exports", data={**WHOLE, "site": "4711"}).status_code == 404
    assert AuditLogExport.select().count() == 0


@pytest.mark.parametrize("field", ["client", "site"])
@pytest.mark.parametrize("text", ["4711", "0", "-1", "x", "9" * 30])
def test_an_unknown_client_or_site_does_not_widen_the_export(as_ben, field, text):
    assert as_ben.post("/activity/exports", data={**WHOLE, field: text}).status_code == 404
    assert AuditLogExport.select().count() == 0


def test_an_export_needs_a_recent_password(as_ana):
    UserSession.update(confirmed_at=utcnow() - timedelta(minutes=16)).execute()
    assert "Confirm your identity" in as_ana.post("/activity/exports", data=WHOLE).text
    assert AuditLogExport.select().count() == 0


def test_viewers_and_client_users_export_nothing(as_cleo, as_dora, as_ana, config):
    as_ana.post("/activity/exports", data=WHOLE)
    write_export(config)
    for person in (as_cleo, as_dora):
        assert person.get("/activity/exports").status_code == 403
        assert person.post("/activity/exports/1").status_code == 403
        assert person.post("/activity/exports", data=WHOLE).status_code == 403
    assert "/activity/exports" not in as_cleo.get("/activity").text


def test_only_an_owner_exports_everything(as_ana, as_mia, as_ben, site, config):
    for person in (as_mia, as_ben):
        response = person.post("/activity/exports", data={**WHOLE, "since": "2026-11-01"})
        assert (response.status_code, 'id="f-client-error"' in response.text) == (422, True)
    assert AuditLogExport.select().count() == 0
    as_ana.post("/activity/exports", data=WHOLE)
    write_export(config)
    assert as_mia.post(f"/activity/exports/{newest_export().id}").status_code == 403
    as_mia.post("/activity/exports", data={**WHOLE, "site": str(site.id)})
    write_export(config)
    assert as_ben.post(f"/activity/exports/{newest_export().id}").status_code == 200
