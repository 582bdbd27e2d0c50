"""Every page that lists updates shows the upgrade of a database, from available to done."""

from __future__ import annotations

import re

from tests.support.factories import approve, check, propose, read_report, run_change
from tests.support.factories import report as usual_report


def test_every_page_that_lists_a_database_upgrade_names_it(
    as_ana, ready, fake, config, clock, ben, ana
) -> None:
    waiting = [{"id": "wordpress", "from": "58975", "to": "60421"}]
    fake.report = usual_report(health={**usual_report()["health"], "database_upgrades": waiting})
    read_report(ready, fake, config=config)
    site = f"/sites/{ready.id}"
    pages = ["/", "/updates", f"/updates?site={ready.id}&all=1", "/updates?by=site", site]
    pages += [
        f"{site}/updates",
        f"{site}/health",
        f"{site}/activity",
        "/activity",
        "/updates/waiting",
        "/updates/done",
    ]
    upgrade = {"kind": "database", "ident": "wordpress", "to": "60421"}
    change = check(propose(ready, ben, clock(), **upgrade), fake, config)
    pages += [f"/changes/{change.id}", f"/updates/{change.batch}"]

    def read() -> dict[str, str]:
        shown = {page: as_ana.get(page, follow_redirects=True) for page in pages}
        assert {page: answer.status_code for page, answer in shown.items()} == dict.fromkeys(
            pages, 200
        )
        return {page: re.sub(r"\s+", " ", answer.text) for page, answer in shown.items()}

    before = read()
    assert "WordPress database" in before[f"{site}/updates"]
    change_page = before[f"/changes/{change.id}"]
    assert "The database cannot be rolled back. Make a backup of it" in change_page
    assert "no package is needed" in change_page
    assert "major version" not in change_page.lower()
    assert run_change(approve(change, ana, config, clock()), fake, config) == "succeeded"
    read_report(ready, fake, config=config)
    after = read()
    assert "58975" not in after[f"{site}/health"]
    assert "60421" in after[f"/changes/{change.id}"]
