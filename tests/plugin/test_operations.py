"""The closed list of operations: each declares what it does, and PROTOCOL.md names them all."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.support.php import system_php

ROOT = Path(__file__).parents[2]
LISTED = """
define('ABSPATH', '/');
require '%s/wordpress-plugin/siteagent/includes/operations/class-siteagent-operation-registry.php';
echo json_encode(Siteagent_Operation_Registry::ALL);
"""


@pytest.fixture(scope="module")
def operations() -> dict[str, dict[str, Any]]:
    command = [system_php(), "-r", LISTED % ROOT]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def undeclared(operation: dict[str, Any]) -> list[str]:
    """What is missing in the declaration of one operation."""
    missing = [
        name
        for name in ("schema", "role", "permission", "nature", "needs")
        if name not in operation
    ]
    nature = operation.get("nature", {})
    return missing + [
        name
        for name in ("readonly", "destructive", "idempotent")
        if not isinstance(nature.get(name), bool)
    ]


def test_every_operation_declares_what_it_takes_and_does(operations) -> None:
    assert {name: undeclared(one) for name, one in operations.items() if undeclared(one)} == {}


def test_a_declaration_with_a_gap_is_found() -> None:
    assert undeclared({"schema": {}, "nature": {"readonly": True}}) == [
        "role",
        "permission",
        "needs",
        "destructive",
        "idempotent",
    ]


def test_the_protocol_names_the_same_operations(operations) -> None:
    text = (ROOT / "docs" / "PROTOCOL.md").read_text("utf-8")
    section = text.split("## 3 Operations")[1].split("### 3.1")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z.]+)`", row.split("|")[1])}
    assert named == set(operations)


def test_the_page_about_security_names_everything_that_a_connection_allows(operations) -> None:
    text = (ROOT / "docs" / "SECURITY.md").read_text("utf-8")
    answer = text.split("**What only reads, and what changes something?**")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z.]+)`", answer))
    assert named == {name for name, one in operations.items() if one["permission"] != "pair"}


def test_nothing_but_pairing_keys_changes_and_parting_changes_anything(operations) -> None:
    changing = {name for name, one in operations.items() if not one["nature"]["readonly"]}
    assert changing == {
        "pair.hello",
        "pair.confirm",
        "keys.rotate",
        "change.run",
        "change.revert",
        "agent.update",
        "revoke",
    }


def test_no_operation_takes_code_a_file_an_address_or_a_login(operations) -> None:
    taken = {argument for one in operations.values() for argument in one["schema"]}
    assert taken == {
        *("have", "pid", "e_d", "sign_d", "dash", "url", "th", "kid", "r"),
        *("op_id", "plan", "sig", "sig_next", "item", "after"),
    }
