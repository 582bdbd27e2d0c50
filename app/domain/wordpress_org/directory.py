"""Look up what WordPress.org said last of a plugin or theme, without asking it."""

from __future__ import annotations

from collections.abc import Collection

from app.models.wordpress_org import DirectoryEntry

# What is known of one plugin or theme.
Entry = DirectoryEntry


def entry(kind: str, slug: str) -> Entry | None:
    """Return what is known of a plugin or theme; None if no site has it from WordPress.org."""
    return DirectoryEntry.find(kind, slug)


def entries(pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
    """Return what is known of these pairs of kind and slug, by pair."""
    return {(one.kind, one.slug): one for one in DirectoryEntry.find_all(pairs)}
