"""No button, form or command changes anything without an entry in the audit log.

Two looks at it: every request of every test in this folder is watched (tests/telling.py), and
here the code of each route and command is followed until it writes an entry.
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
# What may be sent and changes nothing that somebody would ask about, and why.
CHANGES_NOTHING = {
    "account.verify": "whether the person proved who they are, which is an entry of its own",
    "alerts.read_log": "the site is asked once more, and each call is an entry",
    "exports.make": "what was written and handed out is an entry, with who asked for it",
    "second_factors.begin_app": "a secret that counts once its first code was typed",
    "second_factors.begin_passkey": "a question for the browser, which counts once",
    "second_factors.confirm_options": "a question for the browser, which counts once",
    "second_factors.new_passkey_options": "a question for the browser, which counts once",
    "sign_in_steps.new_passkey_options": "a question for the browser, which counts once",
    "sign_in_steps.passkey_options": "a question for the browser, which counts once",
}
COMMANDS_CHANGE_NOTHING = {
    "migrate": "the shape of the tables, and nothing in them",
    "setup-link": "who used it is an entry",
    "audit reindex": "what is made anew from the audit log",
    "build-plugin": "a file beside Aura",
    "plugin new-key": "a file beside Aura, made where no dashboard runs",
    "plugin release": "files beside Aura",
}


# ---- while it runs ----


def test_a_change_without_an_entry_is_seen(site, ana):
    with watched() as writes:
        Site.update(name="Other").where(Site.id == site.id).execute()
        assert writes.untold == {"site"}
        writes.forget()
        assert writes.untold == set()


def test_a_change_with_its_entry_is_told(site, ana):
    with watched() as writes, transaction():
        Site.update(name="Other").where(Site.id == site.id).execute()
        audit.record(SyncRequested(sync_id=1), ana)
    assert writes.untold == set()


def test_what_was_taken_back_was_no_change(site, ana):
    def change_and_fail() -> None:
        with transaction():
            Site.update(name="Other").where(Site.id == site.id).execute()
            raise ZeroDivisionError

    with watched() as writes:
        with pytest.raises(ZeroDivisionError):
            change_and_fail()
        assert writes.untold == set()


def test_what_is_quiet_has_its_reason(database):
    assert all(QUIET.values())
    assert QUIET.keys() <= set(db.get_tables())


# ---- as it is written ----


def tells(module: str, function: str, seen: set[tuple[str, str]] | None = None) -> bool:
    """Whether this function writes an entry, or calls one that does; one that only says what
    was refused is no entry of a change."""
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
            if owner and tells(".".join(owner).strip("."), node.attr, seen):
                return True
        elif isinstance(node, ast.Name):
            where, name = names.get(node.id, (module, node.id))
            if tells(where, name, seen):
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
    # A package hands on what its rooms do.
    for name, (where, what) in _names(module).items():
        if where.startswith(module + ".") and what in _functions(where):
            found[name] = _functions(where)[what]
    return found


@cache
def _names(module: str) -> dict[str, tuple[str, str]]:
    """What a name stands for here: a module and a name within it."""
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.")
        for alias in node.names
    }


def test_following_the_code_finds_an_entry_and_its_absence():
    assert tells("app.domain.sites.sites", "add_site")
    assert tells("app.views.team", "change_role")
    assert not tells("app.domain.sites.sites", "find_by_address")
    assert not tells("app.views.team", "index")


def test_every_route_that_changes_something_leaves_an_entry(app: Flask):
    silent = set()
    for rule in app.url_map.iter_rules():
        view = inspect.unwrap(app.view_functions[rule.endpoint])
        if "POST" in (rule.methods or ()) and not tells(view.__module__, view.__name__):
            silent.add(rule.endpoint)
    assert silent == CHANGES_NOTHING.keys()


def test_every_command_that_changes_something_leaves_an_entry(app: Flask):
    ours = {
        name: inspect.unwrap(command.callback)
        for name, command in commands(app.cli).items()
        if command.callback and inspect.unwrap(command.callback).__module__ == cli.__name__
    }
    assert len(ours) > len(COMMANDS_CHANGE_NOTHING)
    silent = {name for name, function in ours.items() if not tells(cli.__name__, function.__name__)}
    assert silent == COMMANDS_CHANGE_NOTHING.keys()


def commands(group: Group) -> dict[str, Command]:
    found: dict[str, Command] = {}
    for name, command in group.commands.items():
        inner = commands(command) if isinstance(command, Group) else {"": command}
        found |= {f"{name} {rest}".strip(): one for rest, one in inner.items()}
    return found
