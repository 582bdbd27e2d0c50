"""The short words by which the agency sorts its sites."""

from __future__ import annotations

from peewee import AutoField, CharField, ForeignKeyField

from app.models.base import BaseModel
from app.models.sites import Site


class SiteTag(BaseModel):
    """One tag of one site: `text` as it is shown, `folded` as it is compared."""

    id = AutoField()
    site = ForeignKeyField(Site, backref="+", on_delete="CASCADE")
    site_id: int
    text = CharField(max_length=30)
    # Folding makes up to three characters of one.
    folded = CharField(max_length=90, index=True)

    class Meta:
        indexes = ((("site", "folded"), True),)

    @classmethod
    def of_site(cls, site: Site) -> dict[str, str]:
        """Return the texts of one site's tags, by their key for comparison and in that order."""
        query = cls.select().where(cls.site == site).order_by(cls.folded)
        return {one.folded: one.text for one in query}

    @classmethod
    def by_site(cls) -> dict[int, list[str]]:
        """Return the texts of each site's tags, by the site's id."""
        found: dict[int, list[str]] = {}
        for one in cls.select().order_by(cls.folded):
            found.setdefault(one.site_id, []).append(one.text)
        return found

    @classmethod
    def in_use(cls) -> dict[str, str]:
        """One text for each tag that a site in the list has, by how it is compared."""
        query = cls.select(cls.folded, cls.text).join(Site).where(Site.forgotten_at.is_null())
        return {one.folded: one.text for one in query.order_by(cls.folded, cls.id.desc())}

    @classmethod
    def give(cls, site: Site, tags: dict[str, str]) -> None:
        """Let the site have exactly these."""
        cls.delete().where(cls.site == site).execute()
        for folded, text in tags.items():
            cls.create(site=site, folded=folded, text=text)
