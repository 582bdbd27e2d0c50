"""Record in Aura's activity that a site's owner restored a former version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.config import Config
from app.models.audit import AuditEntry
from app.models.sites import Site
from tests.support.factories import read_log
from tests.support.fakes import FakeSite

pytestmark = pytest.mark.both_databases

RESTORED = {
    "kind": "plugin",
    "id": "contact-desk/contact-desk.php",
    "from": "2.4.0",
    "to": "2.3.1",
    "op_id": "0f000000-0000-4000-8000-000000000000",
    "outcome": "succeeded",
    "reason": None,
}


def recorded() -> list[dict[str, Any]]:
    newest = AuditEntry.newest()
    return [json.loads(one.body)["facts"] for one in newest if one.event == "version_restored"]


def test_a_restored_version_is_recorded_once_with_its_versions(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.write("restore_ended", "user:1", **RESTORED)
    assert read_log(paired, fake, config) == "read"
    [facts] = recorded()
    expected = {"name": RESTORED["id"], "from_version": "2.4.0", "to_version": "2.3.1"}
    assert {**expected, "kind": "plugin", "outcome": "succeeded"}.items() <= facts.items()
    assert read_log(paired, fake, config) == "read"
    assert len(recorded()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "refused"},
        {"outcome": ["succeeded"]},
        {"kind": "core"},
        {"id": None},
        {"to": {"a": "b"}},
    ],
)
def test_a_failed_or_malformed_restore_is_not_recorded(
    changes: dict[str, Any], paired: Site, fake: FakeSite, config: Config
) -> None:
    fake.write("restore_ended", "user:1", **{**RESTORED, **changes})
    assert read_log(paired, fake, config) == "read"
    assert recorded() == []


def test_a_hostile_site_cannot_fill_the_audit_log(
    paired: Site, fake: FakeSite, config: Config
) -> None:
    for number in range(40):
        fake.write("restore_ended", "user:1", **{**RESTORED, "to": f"{number}\n" + "9" * 400})
    assert read_log(paired, fake, config) == "read"
    found = recorded()
    assert len(found) == 5
    assert all(len(facts["to_version"]) <= 120 for facts in found)
    assert found[0]["to_version"].startswith("39 9")
