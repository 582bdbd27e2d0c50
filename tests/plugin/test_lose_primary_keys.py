"""Lose the primary keys of SiteAgent's tables in a migration: nothing is accepted twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugin.support.dashboard import Paired
from tests.plugin.support.rotation_plan import Plan
from tests.plugin.support.signed_requests import (
    connect,
    document_of,
    forget,
    ping,
    refused_as,
    send,
)

KEYS = "return count($wpdb->get_results(\"SHOW KEYS FROM $t WHERE Key_name = 'PRIMARY'\"));"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


def table(name: str) -> str:
    return f"global $wpdb; $t = $wpdb->base_prefix . '{name}';"


def test_a_request_is_not_accepted_twice(wp, paired) -> None:
    sent = ping(paired)
    assert document_of(paired, sent, send(sent))["ok"] is True
    wp.evaluate(table("siteagent_nonce") + '$wpdb->query("ALTER TABLE $t DROP PRIMARY KEY");')
    refused_as("replayed", paired, sent)
    refused_as("replayed", paired, sent)
    assert wp.evaluate(table("siteagent_nonce") + KEYS) == 1


def test_an_operation_is_not_done_twice(wp, paired) -> None:
    plan = Plan.of(wp, paired)
    first = plan.send()
    wp.evaluate(table("siteagent_operation") + '$wpdb->query("ALTER TABLE $t DROP PRIMARY KEY");')
    assert plan.send().document["e_s"] == first.document["e_s"]
    assert wp.evaluate(table("siteagent_operation") + KEYS) == 1
