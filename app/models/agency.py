"""The agency that this installation belongs to: its name, colors, time zone and logo."""

from __future__ import annotations

from peewee import BlobField, CharField, IntegerField

from app.models.base import JsonField, UtcField
from app.models.only_row import ReplacedRow, SettingsRow


class Agency(SettingsRow):
    """What an owner set about the agency; an empty value means the default.

    `accent` and `accent_dark` are `#rrggbb`, for the light and the dark theme.
    """

    name = CharField(max_length=120, default="")
    time_zone = CharField(max_length=64, default="UTC")
    accent = CharField(max_length=7, default="")
    accent_dark = CharField(max_length=7, default="")
    # SHA-256 of the logo, which is in a table of its own because every page reads this row.
    logo_digest = CharField(max_length=64, default="")
    logo_width = IntegerField(default=0)
    logo_height = IntegerField(default=0)
    # The roles that need a second factor, as a list; None for no role.
    second_factor_roles = JsonField(null=True)
    # How old a release has to be before a rule installs it, in hours: patch and minor releases, and
    # others. None is the default.
    rest_hours = IntegerField(null=True)
    rest_hours_major = IntegerField(null=True)


class AgencyLogo(ReplacedRow):
    """The logo as Aura re-encoded it: a PNG."""

    png = BlobField()
    uploaded_at = UtcField()

    @classmethod
    def read_png(cls) -> bytes | None:
        row = cls.read()
        return None if row is None else bytes(row.png)
