"""The tags of sites."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from peewee import AutoField, CharField, ForeignKeyField, fn

from app.models.base import BaseModel
from app.models.sites import Site
from app.models.visibility import Visibility


class SiteTag(BaseModel):
    """A tag of a site: `text` as shown, `folded` for comparison."""

    id = AutoField()
    site = ForeignKeyField(Site, backref="+", on_delete="CASCADE")
    site_id: int
    text = CharField(max_length=30)
    # Folding can turn one character into three.
    folded = CharField(max_length=90, index=True)

    class Meta:
        indexes = ((("site", "folded"), True),)

    @classmethod
    def of_site(cls, site: Site) -> dict[str, str]:
        """Return the texts of one site's tags, by their key for comparison and in that order."""
        query = cls.select().where(cls.site == site).order_by(cls.folded)
        return {tag.folded: tag.text for tag in query}

    @classmethod
    def by_site(cls) -> dict[int, list[str]]:
        """Return the texts of each site's tags, by the site's id."""
        return {site_id: list(tags.values()) for site_id, tags in cls.folded_by_site().items()}

    @classmethod
    def of_sites(cls, site_ids: Collection[int]) -> dict[int, list[str]]:
        """Return the texts of the tags of these sites, by the site's id."""
        found = cls.folded_by_site(site_ids)
        return {site_id: list(tags.values()) for site_id, tags in found.items()}

    @classmethod
    def folded_by_site(cls, site_ids: Collection[int] | None = None) -> dict[int, dict[str, str]]:
        """Return what `of_site` does by site id, for all sites or for these."""
        query: Any = cls.select(cls.site, cls.folded, cls.text).order_by(cls.folded)
        if site_ids is not None:
            query = query.where(cls.site.in_(list(site_ids)))
        found: dict[int, dict[str, str]] = {}
        for site_id, folded, text in query.tuples():
            found.setdefault(site_id, {})[folded] = text
        return found

    @classmethod
    def by_visible_site(cls, visible: Visibility) -> list[tuple[Site, set[str]]]:
        """Return the visible sites, each with the keys of its tags, in one query."""
        tags = cls.nested(cls.site == Site.id).alias("stored_tags")
        query = Site.select(Site.id, Site.client, tags)
        rows: Any = query.where(Site.is_shown(visible))
        return [(site, {tag.folded for tag in cls.read_nested(site.stored_tags)}) for site in rows]

    @classmethod
    def sites_tagged(cls, folded: str) -> set[int]:
        """Return the ids of the sites with this tag, given as `tag_names.fold` returns it."""
        return {tag.site_id for tag in cls.select(cls.site).where(cls.folded == folded)}

    @classmethod
    def in_use(cls, visible: Visibility) -> dict[str, str]:
        """Return one text for each tag that visible sites have, by its comparison key."""
        oldest = (
            cls.select(fn.MIN(cls.id)).join(Site).where(Site.is_shown(visible)).group_by(cls.folded)
        )
        query = cls.select(cls.folded, cls.text).where(cls.id.in_(oldest)).order_by(cls.folded)
        return {tag.folded: tag.text for tag in query}

    @classmethod
    def replace_all(cls, site: Site, tags: dict[str, str]) -> None:
        """Set exactly these tags."""
        cls.delete().where(cls.site == site).execute()
        for folded, text in tags.items():
            cls.create(site=site, folded=folded, text=text)
