"""Read which requests Aura sent to a site."""

from __future__ import annotations

import re
from datetime import timedelta

from app.config import Config
from app.domain.actor import Actor
from app.models.base import utcnow
from app.models.call_log import OK, SiteCall
from app.models.sites import Site
from tests.support.browsers import Person
from tests.support.factories import read_log
from tests.support.fakes import FakeSite


def call(site: Site, number: int, outcome: str = OK) -> None:
    SiteCall.note(f"nonce{number}", site.id, "report", utcnow() + timedelta(minutes=number))
    SiteCall.finish([f"nonce{number}"], outcome, number, 0)


def test_each_call_has_its_result(
    as_ana: Person, ready: Site, fake: FakeSite, config: Config
) -> None:
    read_log(ready, fake, config)
    call(ready, 3000, "dns")
    SiteCall.note("under way", ready.id, "ping", utcnow() + timedelta(days=9))
    page = as_ana.get(f"/sites/{ready.id}/calls").text
    rows = re.findall(r'<tr role="row">(.+?)</tr>', page.partition("<tbody")[2], re.DOTALL)
    texts = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in rows]
    assert "Connection test No result yet –" in texts[0]
    assert "Site report" in texts[1]
    assert "3000 ms" in texts[1]
    assert "Answered" not in texts[1]
    assert "SiteAgent&#39;s log Answered" in texts[2]


def test_a_long_list_is_read_page_by_page(as_ana: Person, ready: Site) -> None:
    for number in range(1, 131):
        call(ready, number)
    address, seen = f"/sites/{ready.id}/calls", []
    while address:
        page = as_ana.get(address).text
        seen += [int(found) for found in re.findall(r">(\d+) ms<", page)]
        older = re.search(r'href="([^"]+)" rel="next"', page)
        address = older.group(1).replace("&amp;", "&") if older else ""
    assert seen[:130] == list(range(130, 0, -1))
    assert SiteCall.select().count() == len(seen)


def test_the_activity_of_a_site_links_to_its_calls(as_ana: Person, ready: Site) -> None:
    assert f'href="/sites/{ready.id}/calls"' in as_ana.get(f"/sites/{ready.id}/activity").text


def test_a_client_sees_no_calls(as_dora: Person, dora: Actor, ready: Site) -> None:
    Site.update(client=dora.client_id).where(Site.id == ready.id).execute()
    assert as_dora.get(f"/sites/{ready.id}").status_code == 200
    assert as_dora.get(f"/sites/{ready.id}/calls").status_code == 403
