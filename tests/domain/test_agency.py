"""An owner sets the agency's name, colors, time zone and logo."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from app.config import Config
from app.domain.accounts import users
from app.domain.accounts.roles import Access
from app.domain.actor import Actor
from app.domain.agency import colors, logo, settings
from app.domain.agency.colors import DARK, LIGHT, Theme
from app.domain.agency.settings import AgencySettings, TypedSettings
from app.domain.errors import Forbidden, Invalid
from app.models.accounts import User
from app.models.agency import AgencyLogo
from app.models.audit import AuditEntry
from tests.support.config import make_config
from tests.support.fakes import at
from tests.support.pictures import picture

NOW = at("2026-11-24 10:00")
TOKENS = Path(__file__).parents[2] / "app/static/css/tokens.css"


def change(by: Actor, **typed: str) -> None:
    settings.change_settings(TypedSettings(**typed), by=by, now=NOW)


def messages(by: Actor, **typed: str) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        change(by, **typed)
    return refused.value.messages


def newest() -> dict[str, object]:
    entry = json.loads(AuditEntry.newest(limit=1)[0].body)
    return {"event": entry["event"], "by": entry["actor"]["id"], **entry["facts"]}


# ---- settings ----


def test_the_environment_decides_until_settings_exist(config: Config, database: Config) -> None:
    assert settings.read_settings(config) == AgencySettings()
    named = make_config(config.var_dir, agency="Studio Nord")
    assert settings.read_settings(named).name == "Studio Nord"


def test_settings_of_an_owner_apply_and_are_recorded(config: Config, ana: Actor) -> None:
    change(ana, name=" Studio Nord ", time_zone="Europe/Berlin", accent="#1D5BD6")
    found = settings.read_settings(make_config(config.var_dir, agency="From the environment"))
    assert (found.name, found.accent) == ("Studio Nord", "#1d5bd6")
    assert found.zone == ZoneInfo("Europe/Berlin")
    assert newest() == {
        "event": "agency_changed",
        "by": ana.id,
        "changed": {
            "name": ["", "Studio Nord"],
            "time_zone": ["UTC", "Europe/Berlin"],
            "accent": ["", "#1d5bd6"],
        },
    }


def test_an_emptied_field_restores_the_default(config: Config, ana: Actor) -> None:
    change(ana, name="Studio Nord", accent="#1d5bd6")
    change(ana)
    assert settings.read_settings(config) == AgencySettings()
    assert newest()["changed"] == {"name": ["Studio Nord", ""], "accent": ["#1d5bd6", ""]}


def test_the_same_settings_again_leave_no_entry(ana: Actor) -> None:
    change(ana, name="Studio Nord")
    before = AuditEntry.select().count()
    change(ana, name="Studio Nord")
    assert AuditEntry.select().count() == before


@pytest.mark.parametrize("person", ["ben", "cleo", "dora"])
def test_only_an_owner_changes_settings(
    person: str, request: pytest.FixtureRequest, config: Config, ana: Actor
) -> None:
    by = request.getfixturevalue(person)
    with pytest.raises(Forbidden):
        change(by, name="Mine")
    with pytest.raises(Forbidden):
        logo.set_logo(picture(), by=by, now=NOW)
    with pytest.raises(Forbidden):
        logo.remove_logo(by=by, now=NOW)
    assert settings.read_settings(config) == AgencySettings()


def test_a_name_has_a_limit(config: Config, ana: Actor) -> None:
    change(ana, name="n" * 120)
    assert settings.read_settings(config).name == "n" * 120
    assert "120" in messages(ana, name="n" * 121)["name"]
    assert "printed" in messages(ana, name="Studio\u202eNord")["name"]


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "posixrules", "utc"])
def test_only_a_time_zone_of_the_list_is_accepted(ana: Actor, zone: str) -> None:
    assert "list" in messages(ana, time_zone=zone)["time_zone"]


def test_new_people_get_the_zone_of_the_agency(config: Config, ana: Actor, ben: Actor) -> None:
    change(ana, time_zone="Europe/Vienna")
    user, _ = users.invite_user(
        name="Eve", email="eve@agency.test", access=Access("viewer"), by=ana, config=config, now=NOW
    )
    assert User.get_by_id(user.id).time_zone == "Europe/Vienna"
    assert User.get_by_id(ben.id).time_zone == "UTC"


@pytest.mark.parametrize("text", ["blue", "#12345", "#1234567", "1d5bd6", "#1d5bdg", "#١٢٣٤٥٦"])
def test_a_color_is_six_digits(ana: Actor, text: str) -> None:
    assert "six digits" in messages(ana, accent=text)["accent"]


def test_every_wrong_field_is_named_at_once(ana: Actor) -> None:
    wrong = messages(ana, name="n" * 121, time_zone="x", accent="#ffff00", accent_dark="#000080")
    assert wrong.keys() == {"name", "time_zone", "accent", "accent_dark"}


def test_a_dark_color_alone_is_refused(ana: Actor) -> None:
    assert messages(ana, accent_dark="#7fb0ff").keys() == {"accent"}


# ---- contrast ----


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21),
        ("#ffffff", "#000000", 21),
        ("#777777", "#777777", 1),
        # The known neighbors of both minima on white: the last gray to pass, the first to fail.
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
        ("#949494", "#ffffff", 3.03),
        ("#959595", "#ffffff", 2.995),
        ("#ff0000", "#ffffff", 4.00),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_calculated_as_wcag_defines_it(one: str, other: str, ratio: float) -> None:
    assert colors.contrast(one, other) == pytest.approx(ratio, abs=0.005)


def tokens(column: int) -> dict[str, str]:
    """Return the colors of one theme in tokens.css: column 1 is light, 2 is dark."""
    pattern = r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);"
    found = re.finditer(pattern, TOKENS.read_text("utf-8"))
    return {row[1]: row[column + 1] for row in found}


@pytest.mark.parametrize(("theme", "column"), [(LIGHT, 1), (DARK, 2)])
def test_contrast_is_measured_against_the_colors_of_the_pages(theme: Theme, column: int) -> None:
    css = tokens(column)
    assert (theme.canvas, theme.surface, theme.sunk) == (
        css["canvas"],
        css["surface"],
        css["sunk"],
    )
    assert theme.on_accent == css["on-accent"]
    assert colors.weakest(css["accent"], theme).is_enough


@pytest.mark.parametrize(("theme", "column"), [(LIGHT, 1), (DARK, 2)])
@pytest.mark.parametrize(
    "color", ["#000000", "#ffffff", "#ff0000", "#ffe600", "#00ff00", "#0000ff"]
)
def test_the_closest_readable_shade_is_readable_everywhere(
    theme: Theme, column: int, color: str
) -> None:
    shade = colors.nearest_readable(color, theme)
    made, css = colors.accent_for(shade, theme), tokens(column)
    assert all(pair.is_enough for pair in colors.measure(shade, theme))
    assert colors.contrast(made.deep, theme.surface) >= 4.5
    assert colors.contrast(made.on_accent, made.deep) >= 4.5
    assert all(colors.contrast(css[ink], made.wash) >= 4.5 for ink in ("ink", "ink-2"))


def test_a_pale_color_is_refused_with_its_ratio_and_a_better_one(ana: Actor) -> None:
    text = messages(ana, accent="#7fb0ff")["accent"]
    ratio = float(re.search(r"contrast is ([0-9.]+):1", text)[1])
    found = colors.weakest("#7fb0ff", LIGHT)
    assert ratio == pytest.approx(found.ratio, abs=0.01)
    assert found.where in text
    assert "4.5:1" in text
    change(ana, accent=re.search(r"shade is (#[0-9a-f]{6})", text)[1])


def test_a_ratio_just_below_the_minimum_is_not_rounded_up_to_it() -> None:
    below = next(
        color
        for step in range(256)
        if 4.45 <= colors.weakest(color := f"#{step:02x}{step:02x}{step:02x}", LIGHT).ratio < 4.5
    )
    with pytest.raises(Invalid, match=r"contrast is 4\.4\d:1"):
        colors.require_readable(below, LIGHT, "accent")


def test_the_dark_theme_gets_a_lighter_shade_unless_it_has_its_own(
    config: Config, ana: Actor
) -> None:
    change(ana, accent="#7a1f5c")
    light, dark = settings.read_settings(config).accents
    assert light.accent == "#7a1f5c"
    assert colors.weakest(dark.accent, DARK).is_enough
    change(ana, accent="#7a1f5c", accent_dark="#f5a3d7")
    assert settings.read_settings(config).accents[1].accent == "#f5a3d7"
    assert "dark theme" in messages(ana, accent="#7a1f5c", accent_dark="#7a1f5c")["accent_dark"]


# ---- logo ----


@pytest.mark.parametrize("kind", logo.FORMATS)
def test_a_logo_is_stored_as_png_and_recorded(config: Config, ana: Actor, kind: str) -> None:
    made = logo.set_logo(picture(kind), by=ana, now=NOW)
    stored = AgencyLogo.read_png()
    assert stored == made.png
    with Image.open(io.BytesIO(stored)) as opened:
        assert (opened.format, opened.size) == ("PNG", (200, 60))
    found = settings.read_settings(config)
    assert (found.logo_digest, found.logo_width, found.logo_height) == (made.digest, 200, 60)
    assert newest() == {
        "event": "agency_logo_changed",
        "by": ana.id,
        "digest": made.digest,
        "width": 200,
        "height": 60,
        "size": len(made.png),
    }


def test_another_logo_replaces_it_and_removing_leaves_none(config: Config, ana: Actor) -> None:
    logo.set_logo(picture(), by=ana, now=NOW)
    other = logo.set_logo(picture(color=(200, 30, 30, 255)), by=ana, now=NOW)
    assert AgencyLogo.read_png() == other.png
    logo.remove_logo(by=ana, now=NOW)
    assert AgencyLogo.read_png() is None
    assert settings.read_settings(config) == AgencySettings()
    assert newest() == {"event": "agency_logo_removed", "by": ana.id, "digest": other.digest}
    before = AuditEntry.select().count()
    logo.remove_logo(by=ana, now=NOW)
    assert AuditEntry.select().count() == before


def test_a_large_picture_becomes_small() -> None:
    assert (logo.read_logo(picture(size=(4000, 400))).width) == 480
    assert (logo.read_logo(picture(size=(400, 4000))).height) == 144
    small = logo.read_logo(picture(size=(16, 16)))
    assert (small.width, small.height) == (16, 16)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def padded(size: int) -> bytes:
    """Return a PNG with a comment that makes it `size` bytes long."""
    png = picture()
    filler = b"tEXt" + b"Comment\0" + b"x" * (size - len(png) - 20)
    chunk = struct.pack(">I", len(filler) - 4) + filler + struct.pack(">I", zlib.crc32(filler))
    return png[:33] + chunk + png[33:]


def test_a_file_has_a_limit() -> None:
    assert len(padded(logo.MAX_BYTES)) == logo.MAX_BYTES
    assert logo.read_logo(padded(logo.MAX_BYTES)).width == 200
    with pytest.raises(Invalid, match="larger than 512 kB"):
        logo.read_logo(padded(logo.MAX_BYTES) + b"x")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Choose a file"),
        (picture(size=(4001, 100)), "larger than 4000 pixels"),
        (picture(size=(100, 15)), "smaller than 16 pixels"),
        (SVG, "SVG is not accepted"),
        (b"<!doctype html><script>alert(1)</script>", "PNG, JPEG or WebP"),
        (picture("GIF"), "PNG, JPEG or WebP"),
        (picture("TIFF"), "PNG, JPEG or WebP"),
        (picture("BMP"), "PNG, JPEG or WebP"),
        (picture()[:60], "damaged"),
        (picture("JPEG", size=(300, 300))[:400], "damaged"),
        (picture("WEBP")[:40], "damaged"),
        (picture(color=(255, 255, 255, 255)), "almost white"),
        (picture(color=(0, 0, 0, 0)), "almost white"),
    ],
)
def test_a_file_that_is_no_logo_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        logo.read_logo(data)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    """The header claims 60000 by 60000 pixels, which would take 14 GB."""
    png = bytearray(picture())
    png[16:24] = struct.pack(">II", 60000, 60000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    with pytest.raises(Invalid):
        logo.read_logo(bytes(png))


def archive() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        file.writestr("evil.js", "alert(1)")
    return written.getvalue()


@pytest.mark.parametrize(
    "hidden", [SVG, b"<script>alert(1)</script>", archive(), b"%PDF-1.7 evil", b"<?php evil(); ?>"]
)
@pytest.mark.parametrize("kind", logo.FORMATS)
def test_of_a_polyglot_only_the_pixels_are_kept(kind: str, hidden: bytes) -> None:
    clean = logo.read_logo(picture(kind))
    assert logo.read_logo(picture(kind) + hidden).png == clean.png
    assert hidden not in logo.read_logo(picture(kind) + hidden).png


@pytest.mark.parametrize("hidden", [SVG, archive(), b"GIF89a/*"])
def test_a_picture_behind_something_else_is_refused(hidden: bytes) -> None:
    with pytest.raises(Invalid):
        logo.read_logo(hidden + picture())


def test_comments_and_locations_are_not_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = "<script>alert(1)</script>"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    stored = logo.read_logo(picture("JPEG", exif=exif)).png
    with Image.open(io.BytesIO(stored)) as opened:
        opened.load()
        assert opened.info == {}
        assert not opened.getexif()
    assert b"script" not in stored


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = logo.read_logo(picture("JPEG", size=(100, 40), exif=exif))
    assert (found.width, found.height) == (40, 100)
