"""Code rules that this test suite enforces. Each check also has a test with a bad sample."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from app.config import Config
from app.domain.audit.events import REGISTRY
from app.factory import create_app
from app.models.base import db
from app.protocol import CODES
from app.views.authorization import OPEN

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for part in ("app", "jobs")
    for path in ROOT.glob(f"{part}/**/*.py")
)
SENTENCES = ROOT / "app/templates/audit/_sentences.html"
PHP_PROTOCOL = ROOT / "wordpress-plugin/siteagent/includes/http/class-siteagent-http-signature.php"


# ---- limits of length for modules, functions and views ----

MAX_LINES = {"module": 400, "function": 50, "view": 25}
VIEW_DECORATORS = ("bp.get(", "bp.post(", "bp.route(")
TOO_LONG = {
    "app/protocol.py": "one wire format, in one file like its PHP twin",
    "app/verifier/verify_audit.py": "one script that goes out with exports and needs nothing else",
}


def too_long(path: str, source: str) -> list[str]:
    """Return what is longer than its kind may be."""
    found = [path] if len(source.splitlines()) > MAX_LINES["module"] else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(one) for one in node.decorator_list]
            is_view = any(
                one.startswith(("bp.get(", "bp.post(", "bp.route(")) for one in decorators
            )
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_LINES["view" if is_view else "function"]:
                found.append(f"{path}:{node.name}")
    return found


def test_nothing_is_longer_than_its_kind_may_be() -> None:
    sources = [path for path in SOURCES if "/migrations/" not in path]
    found = {one for path in sources for one in too_long(path, (ROOT / path).read_text("utf-8"))}
    assert found == TOO_LONG.keys()


@pytest.mark.parametrize(
    ("head", "line", "most"),
    [
        ("", "\n", 400),
        ("def f():\n", "    x = 1\n", 49),
        ("@bp.get('/')\ndef f():\n", "    x = 1\n", 24),
    ],
)
def test_code_that_is_too_long_is_found(head: str, line: str, most: int) -> None:
    assert not too_long("app/x.py", head + line * most)
    assert too_long("app/x.py", head + line * (most + 1))


# ---- limits of length for templates and their lines ----

MAX_TEMPLATE_LINES, MAX_TEMPLATE_WIDTH = 120, 140
WORDS = "one sentence for each code"
LONG_TEMPLATES = {
    "alerts/_words.html": WORDS,
    "audit/_sentences.html": WORDS,
    "changes/_words.html": WORDS,
    "components/attention_words.html": WORDS,
    "components/errors.html": WORDS,
    "diagnostics/_words.html": WORDS,
}
TEMPLATES = {
    path.relative_to(ROOT / "app/templates").as_posix(): path.read_text("utf-8")
    for path in (ROOT / "app/templates").rglob("*.*")
}


def wide_lines(template: str) -> list[int]:
    """Return the numbers of the lines that are too long."""
    lines = enumerate(template.splitlines(), start=1)
    return [number for number, line in lines if len(line) > MAX_TEMPLATE_WIDTH]


def test_no_template_is_too_long() -> None:
    counts = {name: len(text.splitlines()) for name, text in TEMPLATES.items()}
    found = {name for name, count in counts.items() if count > MAX_TEMPLATE_LINES}
    assert found == LONG_TEMPLATES.keys()


def test_no_line_of_a_template_is_too_long() -> None:
    found = {name: lines for name, text in TEMPLATES.items() if (lines := wide_lines(text))}
    assert found == {}


def test_a_long_line_is_found() -> None:
    assert wide_lines("é" * 140 + "\n" + "é" * 141) == [2]


# ---- test modules share code through modules that hold no tests ----


def imported_test_modules(source: str) -> set[str]:
    """Return the test modules that this source imports, at any place in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if ".test_" in name and name.startswith("tests.")}


def test_no_module_imports_a_test_module() -> None:
    wrong = {
        path.relative_to(ROOT).as_posix(): names
        for path in ROOT.glob("tests/**/*.py")
        if (names := imported_test_modules(path.read_text("utf-8")))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tests.plugin.test_gate import connect",
        "from tests import test_peer as peer",
        "import tests.domain.test_audit",
        "def late():\n    from tests.web import test_sign_in",
    ],
)
def test_an_import_of_a_test_module_is_found(source: str) -> None:
    assert imported_test_modules(source)


# ---- Hypothesis tries as many examples as the run asks for ----


def pinned_examples(source: str) -> list[str]:
    """Return the calls that fix a number of examples for every profile."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and any(keyword.arg == "max_examples" for keyword in node.keywords)
    ]


def test_no_test_pins_its_number_of_examples() -> None:
    wrong = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("tests/**/test_*.py")
        if pinned_examples(path.read_text("utf-8"))
    ]
    assert wrong == []


def test_a_pinned_number_of_examples_is_found() -> None:
    assert pinned_examples("@settings(max_examples=2000)\ndef test_x(): ...")
    assert not pinned_examples("@examples(quick=20, thorough=200)\ndef test_x(): ...")


# ---- the environment is read in one place ----


def reads_environment(source: str) -> bool:
    named = {_name_of(node) for node in ast.walk(ast.parse(source))}
    return bool({"os.environ", "os.getenv", "environ", "getenv"} & named)


def _name_of(node: ast.AST) -> str:
    """Return the name that a node uses or imports, or "".

    Writing every node as source text again takes a hundred times as long.
    """
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    return node.name if isinstance(node, ast.alias) else ""


def test_only_the_configuration_reads_the_environment() -> None:
    sources = [path for path in SOURCES if path != "app/config.py"]
    assert [one for one in sources if reads_environment((ROOT / one).read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A']",
        "import os\nx = os.getenv('A')",
        "environ.get('A')",
        "from os import environ as environment",
    ],
)
def test_reading_the_environment_is_found(source: str) -> None:
    assert reads_environment(source)


# ---- views read models, and never write them ----

PEEWEE_WRITES = {
    "bulk_create", "bulk_update", "create", "delete", "delete_by_id", "delete_instance", "execute",
    "execute_sql", "get_or_create", "insert", "insert_many", "replace", "save", "set_by_id",
    "update",
}  # fmt: skip
# How app/models/statements.py runs a SELECT.
COMPOSED_READS = {"read_row", "read_rows"}
# Lists, dicts and strings have these methods too, so they count only on a model.
AMBIGUOUS = {"delete"} | {name for kind in (list, dict, set, str) for name in dir(kind)}


def writing_calls(tree: ast.AST, verbs: set[str], models: set[str]) -> list[str]:
    """Return the calls in `tree` of these methods; an ambiguous one counts on a model only."""
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, verb = ast.unparse(node.func.value), node.func.attr
        on_model = owner.partition(".")[0] in models
        if verb in verbs and (on_model or verb not in AMBIGUOUS):
            found.append(ast.unparse(node.func))
    return found


@cache
def model_writers() -> set[str]:
    """Return the methods of models that write, directly or through another method."""
    trees = [ast.parse(path.read_text("utf-8")) for path in ROOT.glob("app/models/*.py")]
    classes = {node.name for tree in trees for node in ast.walk(tree) if type(node) is ast.ClassDef}
    functions = [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    ]
    writers: set[str] = set()
    while True:
        verbs = PEEWEE_WRITES | writers
        found = {
            function.name
            for function in functions
            if writing_calls(function, verbs, classes | {"cls", "self"})
        } - COMPOSED_READS
        if found == writers:
            # Reading a row again changes the object, not the row.
            return writers - {"refresh"}
        writers = found


def model_writes(source: str) -> list[str]:
    tree = ast.parse(source)
    models, domain = _names_from(tree, "app.models"), _names_from(tree, "app.domain")
    verbs = PEEWEE_WRITES | model_writers()
    return [
        call for call in writing_calls(tree, verbs, models) if call.rpartition(".")[0] not in domain
    ]


def _names_from(tree: ast.AST, package: str) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{package}.")
        for alias in node.names
    }


def test_views_never_write_a_model() -> None:
    views = [path for path in SOURCES if path.startswith("app/views/")]
    found = {path: model_writes((ROOT / path).read_text("utf-8")) for path in views}
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "line",
    [
        "Site.create(name='x')",
        "Site.update(state='new').where(Site.id == 1).execute()",
        "Site.delete()",
        "load_site(1).move(to='new', when=('pairing',))",
        "Client.named('x')",
        "site.save()",
        "user.disable(now)",
        "db.execute_sql('DELETE FROM site')",
    ],
)
def test_a_write_in_a_view_is_found(line: str) -> None:
    assert model_writes(f"from app.models.sites import Client, Site\n{line}")


def test_a_call_of_the_domain_is_not_a_write() -> None:
    assert not model_writes("from app.domain import sessions\nsessions.end(1, by=me())")


# ---- every way to change something is guarded ----


def unguarded(views: dict[str, Callable[..., object]], endpoints: set[str]) -> set[str]:
    return {name for name in endpoints if not hasattr(views[name], "verb")} - OPEN


def test_every_writing_route_is_guarded_or_listed_as_open(database: Config) -> None:
    app = create_app(database)
    unsafe = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    assert len(unsafe) > 15
    assert unguarded(app.view_functions, unsafe) == set()
    db.close()


def test_an_unguarded_route_is_found() -> None:
    assert unguarded({"sites.burn": lambda: None}, {"sites.burn"}) == {"sites.burn"}


# ---- what is declared twice agrees ----


def sentences(template: str) -> set[str]:
    return set(re.findall(r"\{% macro (\w+)\(f, who\) -?%\}", template))


def test_events_and_sentences_match() -> None:
    assert sentences(SENTENCES.read_text("utf-8")) == set(REGISTRY)


def test_a_missing_sentence_is_found() -> None:
    text = SENTENCES.read_text("utf-8").replace("macro signed_in(", "macro signed_on(")
    assert sentences(text) ^ set(REGISTRY) == {"signed_in", "signed_on"}


def unknown_facts(template: str) -> set[str]:
    """Return what sentences use and their events do not have, as `event.fact`."""
    macro = r"\{%-?\s*macro (\w+)\(f, who\)[^%]*%\}(.*?)\{%-?\s*endmacro"
    return {
        f"{name}.{fact}"
        for name, text in re.findall(macro, template, re.DOTALL)
        for fact in set(re.findall(r"\bf\.(\w+)", text)) - {"get"}
        if fact not in {one.name for one in fields(REGISTRY[name])}
    }


def test_a_sentence_uses_facts_that_its_event_has() -> None:
    text = SENTENCES.read_text("utf-8")
    assert unknown_facts(text) == set()
    wrong = text.replace("f.release_types", "f.steps")
    assert unknown_facts(wrong) == {"auto_update_rule_created.steps"}


def php_codes(source: str) -> list[str]:
    return re.findall(r"'([a-z_]+)'", source.split("const CODES = array(", 1)[1].split(")", 1)[0])


def test_aura_and_siteagent_have_the_same_error_codes() -> None:
    assert php_codes(PHP_PROTOCOL.read_text("utf-8")) == list(CODES)


def test_an_error_code_of_only_one_program_is_found() -> None:
    source = PHP_PROTOCOL.read_text("utf-8").replace("'replayed',", "'replayed_twice',", 1)
    assert php_codes(source) != list(CODES)
