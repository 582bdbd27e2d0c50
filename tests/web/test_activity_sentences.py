"""Activity sentences: every audit event has one, and no fact of it becomes markup."""

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
    document = {"event": name, "at": at.isoformat(), "site": None, "client": None, "facts": facts}
    body = json.dumps({**document, "actor": {"kind": "user", "id": 1}, "private": "cd" * 32})
    detail = SimpleNamespace(body=json.dumps({"actor": {"name": who}, "facts": {}}))
    row = {"seq": 7, "event": name, "at": at, "site_id": None, "client_id": None, "detail": detail}
    return SimpleNamespace(**row, hash="ab" * 32, body=body)


def facts_of(name: str, text: str) -> dict[str, object]:
    """Return facts of the declared types, with `text` for every string."""
    hints = typing.get_type_hints(REGISTRY[name])
    values: dict[object, object] = {str: text, int: 3, int | None: 3, bool: False}
    return {
        field.name: values.get(hints[field.name], {})
        for field in fields(REGISTRY[name])
        if field.name not in ("site_id", "client_id")
    }


def test_every_event_has_its_own_sentence(audit_log):
    for name in sorted(REGISTRY):
        sentence = str(audit_log.sentence(entry_of(name, facts_of(name, "word")))).strip()
        assert sentence.endswith("."), name
        assert "does not know" not in sentence, name
        assert len(sentence) > 12, name


def test_no_fact_becomes_markup_or_template(audit_log):
    for name in sorted(REGISTRY):
        sentence = str(audit_log.sentence(entry_of(name, facts_of(name, HOSTILE), who=HOSTILE)))
        assert "<script" not in sentence, name
        assert "49" not in sentence, name


def test_an_event_of_a_later_version_is_named_not_hidden(audit_log):
    sentence = str(audit_log.sentence(entry_of("moon_landing", {})))
    assert "does not know" in sentence
    assert "moon_landing" in sentence


def test_the_actor_is_named(audit_log):
    sentence = str(audit_log.sentence(entry_of("sync_requested", {"sync_id": 1}, who="Ben & Co")))
    assert sentence.strip() == f"{escape('Ben & Co')} requested a sync."


def test_an_empty_audit_log_says_so(audit_log):
    assert "Nothing yet" in str(audit_log.entry_list([], {}, empty="Nothing yet."))
