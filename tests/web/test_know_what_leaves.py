"""The page about the data that leaves a site, and the download of the plugin."""

from __future__ import annotations

import io
import zipfile

from app.domain.inventory import report_schema


def test_every_field_of_the_report_is_listed(as_cleo):
    text = as_cleo.get("/what-leaves").text
    assert len(report_schema.fields()) > 40
    for field in report_schema.fields():
        assert f"<code>{field.path}</code>" in text
    assert str(len(report_schema.fields())) in text


def test_the_six_questions_are_answered(as_cleo):
    text = as_cleo.get("/what-leaves").text
    for question in (
        "What data leaves the site?",
        "Are secrets or private content needed?",
        "What can Aura change?",
        "Can actions be approved first?",
        "Is there an audit log?",
        "Can access be revoked cleanly?",
    ):
        assert question in text


def test_the_plugin_can_be_downloaded_ready_to_upload(as_cleo):
    response = as_cleo.get("/plugin/siteagent.zip")
    assert response.headers["Content-Type"] == "application/zip"
    assert 'filename="siteagent.zip"' in response.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert "siteagent/siteagent.php" in archive.namelist()
        assert all(name.startswith("siteagent/") for name in archive.namelist())
