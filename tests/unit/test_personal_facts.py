"""Personal facts of an event are stored beside the hash chain, where they can be erased."""

from __future__ import annotations

import pytest

from app.domain.audit.events import REGISTRY
from app.domain.audit.events import base as events
from app.domain.audit.events.base import PERSONAL_FACTS, Event, Personal, is_personal

Alias = Personal
# The facts that are stored beside the chain. A new event with personal facts must add them here,
# which shows that they can be erased.
TODAY = {
    "alert_closed": ["note"],
    "change_acknowledged": ["note"],
    "change_pages_judged": ["note"],
    "client_report_delivered": ["words"],
    "client_report_note_changed": ["note"],
    "report_schedule_changed": ["recipients", "reply_to"],
    "approval_requested": ["reason"],
    "change_approved": ["approver", "reason"],
    "change_proposed": ["reason"],
    "file_differences_accepted": ["because"],
    "freeze_overridden": ["reason"],
    "updates_stopped": ["reason"],
    "rollout_resumed": ["reason"],
    "change_rejected": ["reason"],
    "update_hold_created": ["reason"],
    "email_server_changed": ["sender", "username"],
    "incident_closed": ["note"],
    "invitation_issued": ["name"],
    "user_created": ["name"],
    "user_disabled": ["name"],
    "user_enabled": ["name"],
    "owner_created": ["name"],
    "personal_data_erased": ["reason"],
    "auto_update_rule_created": ["reason"],
    "rest_lifted": ["reason"],
    "provenance_accepted": ["reason"],
    "revocation_started": ["reason"],
    "client_access_changed": ["name"],
    "identity_linked": ["name"],
    "role_changed": ["name"],
    "session_ended": ["name"],
    "second_factor_added": ["name"],
    "second_factor_refused": ["name"],
    "second_factor_removed": ["name"],
    "second_factors_reset": ["name"],
}


@pytest.fixture(autouse=True)
def _registry_as_before():
    known, personal = dict(REGISTRY), dict(PERSONAL_FACTS)
    yield
    REGISTRY.clear()
    REGISTRY.update(known)
    PERSONAL_FACTS.clear()
    PERSONAL_FACTS.update(personal)


class Marked(Event, is_declared=False):
    """An event with each spelling of the personal marker."""

    plain: Personal
    optional: Personal | None = None
    qualified: events.Personal = ""
    renamed: Alias = ""
    several: tuple[Personal, ...] = ()
    number: int = 0
    text: str = ""


def test_every_spelling_of_the_declaration_keeps_a_fact_out_of_the_chain():
    class MarkedNow(Marked):
        """Declared, with the facts of the class above."""

    names = {"plain", "optional", "qualified", "renamed", "several"}
    event = MarkedNow(**dict.fromkeys(names, "Ana Example"), text="plugin", number=3)
    assert PERSONAL_FACTS["marked_now"] == names
    chained, private = event.split_facts()
    assert chained == {"number": 3, "text": "plugin"}
    assert private == dict.fromkeys(names, "Ana Example")


def test_a_declaration_that_is_not_text_counts_as_well():
    """Annotations are objects in a module without `from __future__ import annotations`."""
    namespace = {"__annotations__": {"reason": Personal | None}, "reason": None}
    made = type("Typed", (Event,), namespace)
    assert PERSONAL_FACTS["typed"] == {"reason"}
    assert made.event_name() == "typed"


def test_an_annotation_that_cannot_be_read_stops_the_program():
    with pytest.raises(NameError):
        type("Unreadable", (Event,), {"__annotations__": {"reason": "Persnal"}})


@pytest.mark.parametrize("kind", [str, int, str | None, dict[str, str | int], tuple[str, ...]])
def test_other_types_are_not_personal(kind):
    assert not is_personal(kind)


def test_the_list_of_personal_facts_is_complete():
    assert {name: sorted(facts) for name, facts in PERSONAL_FACTS.items() if facts} == TODAY
