"""The schema of the site data, from the plugin's manifest.json, and its validation.

The plugin builds its data from that file and Aura validates with the same file, so a hacked site
cannot store anything that the file does not declare.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).parents[3] / "wordpress-plugin" / "siteagent" / "manifest.json"

MAX_ITEMS = 2000
MAX_CHARS = 300
_REQUIRED = frozenset(
    {"v", "taken_at", "wordpress.version", "plugins[].id", "themes[].id"}
    | {"mu_plugins[].id", "dropins[].id"}
)
# C0 and C1 control characters and characters that change the text direction. In a
# plugin's name they can only mislead.
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class ReportInvalid(Exception):
    """The site data violates the manifest at `path`."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


@dataclass(frozen=True)
class Field:
    """A value that a site sends, and the reason."""

    path: str
    type: str
    why: str
    null: bool = False
    enum: tuple[str, ...] = ()
    max: int = MAX_CHARS


@dataclass
class _Node:
    """A node of the schema: a value, an object, or a list of one of these."""

    leaf: Field | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    item: _Node | None = None


@dataclass(frozen=True)
class Checked:
    """Valid site data, and the number of undeclared fields that were left out."""

    document: dict[str, Any]
    dropped: int


@cache
def fields(path: Path = MANIFEST) -> tuple[Field, ...]:
    """Return the fields of the site data in the manifest's order."""
    return _listed(path, "fields")


@cache
def log_fields(path: Path = MANIFEST) -> tuple[Field, ...]:
    """Return the fields that an entry of the site's own log contains when it is sent."""
    return _listed(path, "log")


@cache
def evidence_fields(path: Path = MANIFEST) -> tuple[Field, ...]:
    """Return the fields that the result of an update contains when it is sent."""
    return _listed(path, "evidence")


def _listed(path: Path, name: str) -> tuple[Field, ...]:
    listed = json.loads(path.read_text("utf-8"))[name]
    return tuple(
        Field(
            path=field["path"],
            type=field["type"],
            why=field["why"],
            null=field.get("null", False),
            enum=tuple(field.get("enum", ())),
            max=field.get("max", MAX_CHARS),
        )
        for field in listed
    )


def check(report: object, known: tuple[Field, ...] | None = None) -> Checked:
    """Validate a received report; raise ReportInvalid at the first value of a wrong type.

    Undeclared fields are left out and counted, and control characters are removed from texts. A
    declared field may be missing (an older plugin), except for the few essential ones.
    """
    tree = _tree(known or fields())
    dropped: list[str] = []
    document = _object(tree, report, "", dropped)
    if document["v"] != 1:
        raise ReportInvalid("v", f"is {document['v']}, not 1")
    return Checked(document, len(dropped))


def _tree(known: tuple[Field, ...]) -> _Node:
    root = _Node()
    for known_field in known:
        node = root
        for part in known_field.path.split("."):
            node = node.children.setdefault(part.rstrip("[]"), _Node())
            for _ in range(part.count("[]")):
                node.item = node.item or _Node()
                node = node.item
        node.leaf = known_field
    return root


def _value(node: _Node, value: object, path: str, dropped: list[str]) -> Any:
    if node.leaf is not None:
        return _leaf(node.leaf, value, path)
    if node.item is not None:
        return _list(node.item, value, path, dropped)
    return _object(node, value, path, dropped)


def _object(node: _Node, value: object, path: str, dropped: list[str]) -> dict[str, Any]:
    # PHP writes an empty object as an empty list.
    value = {} if value == [] else value
    if not isinstance(value, dict):
        raise ReportInvalid(path or "report", "is not an object")
    kept: dict[str, Any] = {}
    for key, child in node.children.items():
        place = f"{path}.{key}" if path else key
        if key in value:
            kept[key] = _value(child, value[key], place, dropped)
        elif _is_required(place):
            raise ReportInvalid(place, "is missing")
    dropped.extend(key for key in value if key not in node.children)
    return kept


def _is_required(place: str) -> bool:
    path = re.sub(r"\[\d+\]", "[]", place)
    return any(name == path or name.startswith(f"{path}.") for name in _REQUIRED)


def _list(node: _Node, value: object, path: str, dropped: list[str]) -> list[Any]:
    if not isinstance(value, list):
        raise ReportInvalid(path, "is not a list")
    if len(value) > MAX_ITEMS:
        raise ReportInvalid(path, f"has {len(value)} items, more than {MAX_ITEMS}")
    return [_value(node, item, f"{path}[{i}]", dropped) for i, item in enumerate(value)]


def _leaf(field_: Field, value: object, path: str) -> object:
    if value is None:
        if field_.null:
            return None
        raise ReportInvalid(path, "is null")
    # bool is a subclass of int in Python and must not count as one.
    kinds = {"string": str, "integer": int, "boolean": bool}
    if type(value) is not kinds[field_.type]:
        raise ReportInvalid(path, f"is not of type {field_.type}")
    if isinstance(value, str):
        return _text(field_, value, path)
    return value


def _text(field_: Field, value: str, path: str) -> str:
    if len(value) > field_.max:
        raise ReportInvalid(path, f"is longer than {field_.max} characters")
    if field_.enum and value not in field_.enum:
        raise ReportInvalid(path, f"is not one of {', '.join(field_.enum)}")
    return _UNREADABLE.sub("", value)
