"""Every button, form and command that changes something leaves an entry in the audit log.

tests/support/unrecorded_writes.py watches each request of the tests in this folder. This file
follows the code of each route and command until it writes an entry.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest
from click import Command, Group
from flask import Flask

from app import cli
from app.domain import audit
from app.domain.audit.events import SyncRequested
from app.models.base import db, transaction
from app.models.sites import Site
from tests.support.unrecorded_writes import QUIET, watched

ROOT = Path(__file__).parents[2]
# POST routes that leave no entry, and why they need none.
CHANGES_NOTHING = {
    "account.verify": "the confirmation of the password is an entry of its own",
    "alerts.read_log": "it calls the site again, and each call is an entry",
    "exports.make": "the written file and each download are entries that name the person",
    "second_factors.begin_app": "a secret that is valid after its first code is entered",
    "second_factors.begin_passkey": "a challenge for the browser, valid once",
    "second_factors.confirm_options": "a challenge for the browser, valid once",
    "second_factors.new_passkey_options": "a challenge for the browser, valid once",
    "sign_in_steps.new_passkey_options": "a challenge for the browser, valid once",
    "sign_in_steps.passkey_options": "a challenge for the browser, valid once",
}
COMMANDS_CHANGE_NOTHING = {
    "migrate": "the structure of the tables, not their content",
    "setup-link": "the use of the link is an entry",
    "audit reindex": "columns that are rebuilt from the audit log",
    "build-plugin": "a file outside the database",
    "plugin new-key": "a file, created where no dashboard runs",
    "plugin release": "files outside the database",
}


# ---- at run time ----


def test_a_change_without_an_entry_is_detected(site, ana):
    with watched() as writes:
        Site.update(name="Other").where(Site.id == site.id).execute()
        assert writes.unrecorded == {"site"}
        writes.forget()
        assert writes.unrecorded == set()


def test_a_change_with_an_entry_is_accepted(site, ana):
    with watched() as writes, transaction():
        Site.update(name="Other").where(Site.id == site.id).execute()
        audit.record(SyncRequested(sync_id=1), ana)
    assert writes.unrecorded == set()


def test_a_rolled_back_transaction_is_no_change(site, ana):
    def change_and_fail() -> None:
        with transaction():
            Site.update(name="Other").where(Site.id == site.id).execute()
            raise ZeroDivisionError

    with watched() as writes:
        with pytest.raises(ZeroDivisionError):
            change_and_fail()
        assert writes.unrecorded == set()


def test_every_exempt_table_has_a_reason(database):
    assert all(QUIET.values())
    assert QUIET.keys() <= set(db.get_tables())


# ---- in the code ----


def leaves_entry(module: str, function: str, seen: set[tuple[str, str]] | None = None) -> bool:
    """Return whether this function, or one that it calls, records a change. A recorded refusal
    is not a change."""
    seen = set() if seen is None else seen
    found = _functions(module).get(function)
    if (module, function) in seen or found is None or function == "record_refusal":
        return False
    seen.add((module, function))
    if function == "record" and module.startswith("app.domain.audit"):
        return True
    names = _names(module)
    for node in (inner for line in found.body for inner in ast.walk(line)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = names.get(node.value.id)
            if owner and leaves_entry(".".join(owner).strip("."), node.attr, seen):
                return True
        elif isinstance(node, ast.Name):
            where, name = names.get(node.id, (module, node.id))
            if leaves_entry(where, name, seen):
                return True
    return False


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text("utf-8") if file.is_file() else "")


@cache
def _functions(module: str) -> dict[str, ast.FunctionDef]:
    found = {node.name: node for node in _tree(module).body if isinstance(node, ast.FunctionDef)}
    # A package re-exports functions of its modules.
    for name, (where, what) in _names(module).items():
        if where.startswith(module + ".") and what in _functions(where):
            found[name] = _functions(where)[what]
    return found


@cache
def _names(module: str) -> dict[str, tuple[str, str]]:
    """Return what each imported name refers to: a module and a name within it."""
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.")
        for alias in node.names
    }


def test_following_the_code_finds_an_entry_and_its_absence():
    assert leaves_entry("app.domain.sites.sites", "add_site")
    assert leaves_entry("app.views.team", "change_role")
    assert not leaves_entry("app.domain.sites.sites", "find_by_address")
    assert not leaves_entry("app.views.team", "index")


def test_every_route_that_changes_something_leaves_an_entry(app: Flask):
    silent = set()
    for rule in app.url_map.iter_rules():
        view = inspect.unwrap(app.view_functions[rule.endpoint])
        if "POST" in (rule.methods or ()) and not leaves_entry(view.__module__, view.__name__):
            silent.add(rule.endpoint)
    assert silent == CHANGES_NOTHING.keys()


def test_every_command_that_changes_something_leaves_an_entry(app: Flask):
    ours = {
        name: inspect.unwrap(command.callback)
        for name, command in all_commands(app.cli).items()
        if command.callback and inspect.unwrap(command.callback).__module__ == cli.__name__
    }
    assert len(ours) > len(COMMANDS_CHANGE_NOTHING)
    silent = {name for name, func in ours.items() if not leaves_entry(cli.__name__, func.__name__)}
    assert silent == COMMANDS_CHANGE_NOTHING.keys()


def all_commands(group: Group) -> dict[str, Command]:
    found: dict[str, Command] = {}
    for name, command in group.commands.items():
        inner = all_commands(command) if isinstance(command, Group) else {"": command}
        found |= {f"{name} {rest}".strip(): nested for rest, nested in inner.items()}
    return found
