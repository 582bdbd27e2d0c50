"""Every declared event is read as a sentence, and nothing in it can become markup."""

from __future__ import annotations

import json
import typing
from dataclasses import fields
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from flask import Flask
from markupsafe import escape

from app.domain.audit.events import REGISTRY
from app.views import filters

HOSTILE = '<script>alert("x")</script>{{7*7}}'


@pytest.fixture(scope="module")
def audit_log():
    app = Flask("app", template_folder="templates")
    filters.register(app)
    with app.test_request_context():
        yield app.jinja_env.get_template("audit/_list.html").module


def entry_of(name: str, facts: dict[str, object], who: str = "Ana") -> SimpleNamespace:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    said = {"event": name, "at": at.isoformat(), "site": None, "client": None, "facts": facts}
    body = json.dumps({**said, "actor": {"kind": "user", "id": 1}, "private": "cd" * 32})
    detail = SimpleNamespace(body=json.dumps({"actor": {"name": who}, "facts": {}}))
    of = {"seq": 7, "event": name, "at": at, "site_id": None, "client_id": None, "detail": detail}
    return SimpleNamespace(**of, hash="ab" * 32, body=body)


def facts_of(name: str, text: str) -> dict[str, object]:
    """Facts of the declared types, every text being `text`."""
    hints = typing.get_type_hints(REGISTRY[name])
    values: dict[object, object] = {str: text, int: 3, int | None: 3, bool: False}
    return {
        field.name: values.get(hints[field.name], {})
        for field in fields(REGISTRY[name])
        if field.name not in ("site_id", "client_id")
    }


def test_every_event_has_its_own_sentence(audit_log):
    for name in sorted(REGISTRY):
        said = str(audit_log.sentence(entry_of(name, facts_of(name, "word")))).strip()
        assert said.endswith("."), name
        assert "does not know" not in said, name
        assert len(said) > 12, name


def test_no_fact_becomes_markup_or_template(audit_log):
    for name in sorted(REGISTRY):
        said = str(audit_log.sentence(entry_of(name, facts_of(name, HOSTILE), who=HOSTILE)))
        assert "<script" not in said, name
        assert "49" not in said, name


def test_an_event_of_a_later_version_is_named_not_hidden(audit_log):
    said = str(audit_log.sentence(entry_of("moon_landing", {})))
    assert "does not know" in said
    assert "moon_landing" in said


def test_the_one_who_acted_is_named(audit_log):
    said = str(audit_log.sentence(entry_of("sync_requested", {"sync_id": 1}, who="Ben & Co")))
    assert said.strip() == f"{escape('Ben & Co')} requested a sync."


def test_an_empty_audit_log_says_so(audit_log):
    assert "Nothing yet" in str(audit_log.entry_list([], {}, empty="Nothing yet."))
