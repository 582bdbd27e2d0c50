"""Read which files of a site differ from their releases, and accept expected changes."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.models.base import utcnow
from app.models.file_checks import ComparedComponent, SiteFileCheck
from app.models.sites import Site
from tests.support.browsers import Person
from tests.support.factories import AKISMET, read_report
from tests.support.fakes import FakeSite
from tests.support.file_checks import compared, differing, uncompared

EDITED = differing(
    AKISMET,
    "5.3",
    changed=["class.akismet.php", "wrapper.php"],
    missing=["views/a.php"],
    unknown=["<script>.php"],
    digit="a",
)
REASONS = {
    "not_published": "WordPress.org does not offer it, or has closed it.",
    "no_list": "WordPress.org has no checksums for this version.",
    "list_unreachable": "The site could not reach WordPress.org.",
    "list_slow": "WordPress.org did not answer within 10 seconds.",
    "list_redirected": "was redirected to another address. The site does not follow it.",
    "list_too_large": "larger than 8 MB or has more than 30,000 files.",
    "list_unreadable": "is not a valid list.",
    "too_many_files": "It has more than 30,000 files.",
    "too_slow": "takes this server longer than 20 seconds.",
    "files_unreadable": "PHP may not read some of its folders.",
    "unknown": "The site gives no reason that Aura knows.",
}


@pytest.fixture
def edited(today: Site, fake: FakeSite, config: Config) -> Site:
    """Return a site that compared its files: one plugin differs."""
    loader = compared("mu_plugin", "loader.php", "", fingerprint="b" * 64)
    results = [compared("core", "wordpress", "6.9"), EDITED, loader]
    return report_files(today, fake, config, *results)


def report_files(site: Site, fake: FakeSite, config: Config, *results: dict[str, Any]) -> Site:
    fake.clock.now = utcnow()
    fake.report["integrity"] = {"components": list(results)}
    fake.files_checked_at = int(fake.clock().timestamp())
    read_report(site, fake, config=config)
    return site


def test_every_tab_of_the_site_says_what_needs_attention(as_ana: Person, edited: Site) -> None:
    text = as_ana.get(f"/sites/{edited.id}/updates").text
    notice = text[text.index("This site needs attention") :]
    notice = notice[: notice.index("</ul>")]
    assert (
        f'href="/sites/{edited.id}/health#files">Files differ from\n  their releases</a>' in notice
    )


def row() -> ComparedComponent:
    return ComparedComponent.get(ComparedComponent.ident == AKISMET)


def accept(person: Person, site: Site, because: str = "Our own filter", digit: str = "a") -> Any:
    form = {"fingerprint": digit * 64, f"because_{row().id}": because}
    return person.post(f"/sites/{site.id}/files/{row().id}/accept", data=form)


def test_the_health_tab_lists_the_different_files(edited: Site, as_cleo: Person) -> None:
    page = as_cleo.get(f"/sites/{edited.id}/health").text
    assert (
        "Akismet 5.3: 2 files differ from the release, 1 file is missing, "
        "1 file is not part of the release"
    ) in page
    assert "class.akismet.php" in page
    assert "&lt;script&gt;.php" in page
    assert "<script>.php" not in page
    assert "1 of 2 match their releases" in page
    assert "1 must-use plugin or drop-in" in page
    assert f"/files/{row().id}/accept" not in page


def test_overview_and_list_of_sites_show_changed_files(edited: Site, as_ben: Person) -> None:
    page = as_ben.get("/").text
    assert "Files of Bakery differ from their releases" in page
    assert "Akismet 5.3, " in page
    assert f"/sites/{edited.id}/health#files" in page
    assert "Changed files" in as_ben.get("/sites").text


def test_accepted_changes_name_who_accepted_them_and_why(edited: Site, as_ben: Person) -> None:
    answer = accept(as_ben, edited)
    assert (answer.status_code, answer.location) == (303, f"/sites/{edited.id}/health#files")
    page = as_ben.get(answer.location).text
    assert "Changed files of Akismet 5.3 accepted." in page
    assert "Accepted by Ben" in page
    assert ": Our own filter" in page
    assert "differ from their releases" not in as_ben.get("/").text
    activity = as_ben.get(f"/sites/{edited.id}/activity").text
    assert "accepted the changed files of <strong>Akismet 5.3</strong>: Our own filter" in activity


def test_without_a_reason_nothing_is_accepted(edited: Site, as_ben: Person) -> None:
    answer = accept(as_ben, edited, because=" ")
    assert answer.status_code == 422
    assert "Enter who changed the files and why" in answer.text
    assert row().state == "different"


def test_changes_that_were_not_on_the_page_are_not_accepted(edited: Site, as_ben: Person) -> None:
    answer = accept(as_ben, edited, digit="c")
    assert answer.status_code == 409
    assert "The files have changed since you opened the page." in answer.text


def test_an_acceptance_can_be_withdrawn(edited: Site, as_ben: Person) -> None:
    accept(as_ben, edited)
    answer = as_ben.post(f"/sites/{edited.id}/files/{row().id}/withdraw", follow_redirects=True)
    assert "Changed files of Akismet 5.3 need attention again." in answer.text
    assert row().state == "different"


def test_a_viewer_accepts_nothing(edited: Site, as_cleo: Person) -> None:
    assert accept(as_cleo, edited).status_code == 403
    path = f"/sites/{edited.id}/files/{row().id}/withdraw"
    assert as_cleo.post(path).status_code == 403


def test_a_component_that_was_not_compared_shows_the_reason(
    today: Site, fake: FakeSite, config: Config, as_ben: Person
) -> None:
    results = [uncompared(f"{word}/a.php", "1.0", word) for word in REASONS]
    report_files(today, fake, config, *results)
    page = as_ben.get(f"/sites/{today.id}/health").text
    assert f"{len(REASONS)} of {len(REASONS)} were not compared" in page
    for sentence in REASONS.values():
        assert sentence in page


def test_the_page_says_that_a_comparison_is_missing_or_late(
    today: Site, fake: FakeSite, config: Config, as_ben: Person
) -> None:
    page = as_ben.get(f"/sites/{today.id}/health").text
    assert "have not been compared with their releases yet" in page
    report_files(today, fake, config, EDITED)
    late = utcnow() - timedelta(days=3)
    SiteFileCheck.update(checked_at=late).execute()
    page = as_ben.get(f"/sites/{today.id}/health").text
    assert "The files should have been compared again by now" in page


def test_the_export_has_a_line_for_each_component_and_no_formula(
    today: Site, fake: FakeSite, config: Config, as_ben: Person, as_dora: Person
) -> None:
    formula = differing("x/x.php", "=1", changed=["=HYPERLINK(1).php"], digit="d")
    report_files(today, fake, config, EDITED, formula, compared("core", "wordpress", "6.9"))
    accept(as_ben, today)
    answer = as_ben.get("/changed-files/export.csv")
    lines = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [line["name"] for line in lines] == ["Akismet", "x/x.php"]
    assert (lines[0]["state"], lines[0]["accepted by"]) == ("accepted", "Ben")
    assert lines[0]["missing files"] == "views/a.php"
    assert (lines[1]["version"], lines[1]["changed files"]) == ("'=1", "'=HYPERLINK(1).php")
    assert as_dora.get("/changed-files/export.csv").status_code == 403
