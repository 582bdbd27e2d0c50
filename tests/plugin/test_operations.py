"""The fixed list of operations: complete declarations, and the same list in PROTOCOL.md."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.support.php import system_php

ROOT = Path(__file__).parents[2]
PRINT_OPERATIONS = """
define('ABSPATH', '/');
require '%s/wordpress-plugin/siteagent/includes/operations/class-siteagent-operation-registry.php';
echo json_encode(Siteagent_Operation_Registry::ALL);
"""


@pytest.fixture(scope="module")
def operations() -> dict[str, dict[str, Any]]:
    command = [system_php(), "-r", PRINT_OPERATIONS % ROOT]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def gaps(operation: dict[str, Any]) -> list[str]:
    """Return the names that are missing in the declaration of an operation."""
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


def test_every_operation_declares_its_arguments_and_effects(operations) -> None:
    assert {name: gaps(entry) for name, entry in operations.items() if gaps(entry)} == {}


def test_an_incomplete_declaration_is_found() -> None:
    assert gaps({"schema": {}, "nature": {"readonly": True}}) == [
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


def test_security_md_names_every_operation_of_a_connection(operations) -> None:
    text = (ROOT / "docs" / "SECURITY.md").read_text("utf-8")
    answer = text.split("**What only reads, and what changes something?**")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z.]+)`", answer))
    assert named == {name for name, entry in operations.items() if entry["permission"] != "pair"}


def test_only_these_operations_change_the_site(operations) -> None:
    changing = {name for name, entry in operations.items() if not entry["nature"]["readonly"]}
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
    arguments = {argument for entry in operations.values() for argument in entry["schema"]}
    assert arguments == {
        *("have", "pid", "e_d", "sign_d", "dash", "url", "th", "kid", "r"),
        *("op_id", "plan", "sig", "sig_next", "item", "after"),
    }
