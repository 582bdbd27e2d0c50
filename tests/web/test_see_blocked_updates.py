"""Blocked updates: sites that share a reason are one row."""

from __future__ import annotations

import re

import pytest

from app.models.available_updates import AvailableUpdate
from app.models.base import utcnow
from app.models.reports import Report
from app.models.sites import Site
from tests.support.factories import make_site

OFF = [["permission_off", {"permission": "plugins"}]]


@pytest.fixture
def block(ana):
    """Return a function that adds a connected site with a blocked update."""

    def add(
        name: str, *, reasons=OFF, installed: str = "1.0", ident: str = "shop/shop.php"
    ) -> None:
        now = utcnow()
        site = make_site(ana, now=now, url=f"https://{name.lower()}.example", name=name)
        Site.update(state="active", paired_at=now).where(Site.id == site.id).execute()
        Report.create(site=site, digest="", body="{}", taken_at=now, received_at=now)
        AvailableUpdate.create(
            site=site, kind="plugin", ident=ident, name="Shop", from_version=installed,
            to_version="2.0", release_type="major", permission="plugins", is_fit=False,
            reasons=reasons,
        )  # fmt: skip

    return add


def rows(person) -> list[str]:
    text = person.get("/updates/blocked").text
    return re.findall(r'<tr role="row"><th role="rowheader".*?</tr>', text, re.DOTALL)


def test_sites_with_the_same_reason_share_a_row_with_their_links(as_ana, block):
    for name, installed in (("Alder", "1.0"), ("Birch", "1.0"), ("Cedar", "1.1")):
        block(name, installed=installed)
    (row,) = rows(as_ana)
    assert "<summary>3 sites</summary>" in row
    assert row.count("Turn on in wp-admin") == 3
    assert [name in row for name in ("Alder", "Birch", "Cedar")] == [True] * 3
    assert row.count("Not allowed on this site: plugin updates") == 1
    assert 'to <b class="version">2.0</b>' in row


def test_two_sites_and_other_reasons_keep_their_own_rows(as_ana, block):
    block("Alder")
    block("Birch")
    block("Cedar", reasons=[["auto_update", {"kind": "plugin"}]])
    block("Dogwood", ident="other/other.php")
    found = rows(as_ana)
    assert len(found) == 4
    assert not any("<summary>" in row for row in found)
    assert as_ana.get("/updates/blocked").text.count("<h1>4 blocked updates</h1>") == 1


def test_a_site_with_another_reason_between_them_does_not_split_the_row(as_ana, block):
    for name in ("Alder", "Birch", "Dogwood"):
        block(name)
    block("Cedar", reasons=[["auto_update", {"kind": "plugin"}]])
    together, alone = rows(as_ana)
    assert "<summary>3 sites</summary>" in together
    assert "Cedar" not in together
    assert "Cedar" in alone
