"""See where a plugin comes from and what changed, and accept exactly that change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.actor import Actor
from app.domain.provenance import Part
from app.domain.provenance.changes import record_change
from app.domain.wordpress_org import asking, sources
from app.models.accounts import User, UserSession
from app.models.base import utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.provenance import KINDS_OF_CHANGE, LISTED_AGAIN, ProvenanceChange
from app.models.sites import Site
from app.models.wordpress_org import DirectoryEntry
from tests.support.wordpress_directory import Directory

PAGE = "/plugins/plugin?ident=akismet/akismet.php"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def site(ready: Site, config) -> Site:
    """Return a site with Akismet, after Aura has asked WordPress.org about it."""
    sources.check_site(ready.id, utcnow())
    asking.ask_due(config, ask=Directory().ask)
    return ready


@pytest.fixture
def sold(site: Site) -> ProvenanceChange:
    return change_of("owner", "automattic", HOSTILE)


def change_of(what: str, old: str = "old", new: str = "new") -> ProvenanceChange:
    record_change("plugin", "akismet", [Part(what, old, new)], utcnow())
    return ProvenanceChange.history("plugin", "akismet")[0]


def accept(client, change: ProvenanceChange, reason: str = "Announced on their blog"):
    data = {f"reason-{change.id}": reason}
    return client.post(f"/plugins/sources/{change.id}/accept", data=data)


def test_the_page_says_what_wordpress_org_says(as_cleo, site: Site) -> None:
    text = as_cleo.get(PAGE).text
    assert "Where it comes from" in text
    for word in ("Listed", "5.3.1", "Automattic", "automattic, matt"):
        assert word in text
    assert "History" not in text


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"state": "closed", "closed_reason": "Security Issue"}, "Security Issue"),
        ({"state": "gone"}, "Gone"),
        ({"state": "unknown"}, "Not listed"),
        ({"problem": "too_slow", "problem_since": utcnow()}, "Aura asks WordPress.org again"),
        ({"checked_at": None}, "has not asked WordPress.org yet"),
    ],
)
def test_each_state_has_words(as_cleo, site: Site, columns, expected: str) -> None:
    DirectoryEntry.update(**columns).execute()
    assert expected in as_cleo.get(PAGE).text


def test_the_page_says_that_a_plugin_is_not_from_wordpress_org(as_cleo, site: Site) -> None:
    DirectoryEntry.delete().execute()
    assert "Not from WordPress.org" in as_cleo.get(PAGE).text


def test_a_change_is_shown_with_old_and_new_and_never_as_markup(as_ana, sold) -> None:
    for page in (PAGE, "/", "/plugins/sources", "/activity"):
        text = as_ana.get(page).text
        assert "automattic" in text
        assert "&lt;script&gt;alert(1)" in text
        assert HOSTILE not in text
    assert "Akismet has a new owner at WordPress.org" in as_ana.get("/").text


@pytest.mark.parametrize("what", [kind for kind in KINDS_OF_CHANGE if kind != LISTED_AGAIN])
def test_each_kind_of_change_has_a_title_for_one_and_for_many(as_ana, site: Site, what) -> None:
    change_of(what)
    title = as_ana.get("/").text.split('class="task-title">')[1].split("<")[0]
    assert "Akismet" in title
    assert "%s" not in title
    change_of(what)
    change_of(what)
    title = as_ana.get("/").text.split('class="task-title">')[1].split("<")[0]
    assert title.startswith(
        (
            "3 plugins and themes",
            "All contributors of 3",
        )
    )


def test_the_pages_of_the_site_and_of_its_update_warn(
    as_ben, sold, site: Site, proposed: Change
) -> None:
    for page in (
        f"/sites/{site.id}",
        f"/changes/{proposed.id}",
        f"/updates/{proposed.batch}",
    ):
        assert "Akismet has a new owner at WordPress.org" in as_ben.get(page).text
    # The warning does not prevent an approval.
    assert "Approve" in as_ben.get(f"/changes/{proposed.id}").text


def test_a_manager_accepts_a_change_with_a_reason(as_mia, sold) -> None:
    assert "Accept this change" in as_mia.get(PAGE).text
    answer = accept(as_mia, sold)
    assert (answer.status_code, answer.location) == (303, f"{PAGE}#source")
    text = as_mia.get(PAGE).text
    assert "Change of Akismet accepted." in text
    assert "Mia accepted it" in text
    assert "Announced on their blog" in text
    assert "Accept this change" not in text
    assert "has a new owner" not in as_mia.get("/").text
    assert "Auto-update rules go on" in as_mia.get("/activity").text


def test_without_a_reason_nothing_is_accepted(as_ana, sold) -> None:
    answer = accept(as_ana, sold, "  ")
    assert answer.status_code == 422
    assert "Enter a reason" in answer.text
    assert ProvenanceChange.get().is_open


def test_the_page_says_who_may_accept(as_ben, as_cleo, sold) -> None:
    for client in (as_ben, as_cleo):
        assert "An owner or a manager who sees all clients accepts it." in client.get(PAGE).text
        assert accept(client, sold).status_code == 403
    assert ProvenanceChange.get().is_open


def test_a_limited_manager_sees_a_change_and_cannot_accept(as_mia, mia: Actor, sold, site) -> None:
    own_client = Client.named("Hers")
    Site.update(client=own_client).execute()
    User.update(limited_to=[own_client.id]).where(User.id == mia.id).execute()
    text = as_mia.get(PAGE).text
    assert "Akismet has a new owner" in text
    assert "Accept this change" not in text
    assert accept(as_mia, sold).status_code == 403
    User.update(limited_to=[999]).where(User.id == mia.id).execute()
    assert as_mia.get(PAGE).status_code == 404
    assert "Akismet" not in as_mia.get("/plugins/sources").text
    assert "Akismet" not in as_mia.get("/").text


def test_accepting_needs_a_recent_password(as_ana, sold) -> None:
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    answer = accept(as_ana, sold)
    assert "Confirm your identity" in answer.text
    assert 'value="Announced on their blog"' in answer.text
    assert ProvenanceChange.get().is_open


def test_a_change_is_accepted_once(as_ana, sold) -> None:
    accept(as_ana, sold)
    assert accept(as_ana, sold).status_code == 409


def test_a_change_that_does_not_exist_is_not_found(as_ana, site: Site) -> None:
    data = {"reason-99": "Fine"}
    assert as_ana.post("/plugins/sources/99/accept", data=data).status_code == 404


def test_an_empty_list_says_what_will_appear(as_cleo, site: Site) -> None:
    assert "Nothing has changed" in as_cleo.get("/plugins/sources").text
