"""The slugs of what the sites have, by which feeds name plugins and themes."""

from __future__ import annotations

from typing import Any

from app.models.reports import Component
from app.models.sites import Site

CORE = ("core", "wordpress")
# The one plugin of WordPress itself whose file is not named after its slug.
_HELLO_DOLLY = ("hello.php", "hello-dolly")


def slug_of(kind: str, ident: str) -> str:
    """Return the slug: the folder of a plugin or its only file, the folder of a theme."""
    if kind == "core":
        return CORE[1]
    if kind == "theme":
        return ident
    folder, slash, _ = ident.partition("/")
    if slash:
        return folder
    return _HELLO_DOLLY[1] if ident == _HELLO_DOLLY[0] else ident.removesuffix(".php")


def fleet_software() -> set[tuple[str, str]]:
    """Return kind and slug of WordPress and of everything that connected sites have."""
    query = Component.select(Component.kind, Component.ident).join(Site)
    query = query.where(Component.kind.in_(("plugin", "theme")), Site.is_connected())
    rows: Any = query.distinct().tuples()
    return {CORE, *((kind, slug_of(kind, ident)) for kind, ident in rows)}
