"""From consent to uninstalling, on every WordPress that can be had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.http.site_client import CallError, ErrorCode
from app.protocol import b64u
from tests.matrix.wordpresses import RELEASES, image_with
from tests.plugin.support.dashboard import Paired, new_token, pair
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.uninstalling import UNINSTALL
from tests.plugin.support.wp_admin import Person, words
from tests.support.selection import nightly
from tests.wordpress.images import MACHINES
from tests.wordpress.site import WordPress


@dataclass(frozen=True)
class Connected:
    """A site, its administrator, and a dashboard that she agreed to."""

    site: WordPress
    wp: RealWordPress
    ana: Person
    paired: Paired


@pytest.fixture(scope="module", params=nightly(*MACHINES, *RELEASES))
def here(request: pytest.FixtureRequest) -> Iterator[Connected]:
    if request.param in RELEASES:
        site = WordPress.start("oldest", image=image_with(request.param))
        assert site.version.startswith(f"{request.param}.")
    else:
        site = WordPress.start(request.param)
    ana = Person(site.url, site.admin_user, site.admin_password)
    token = new_token(site.url)
    consent_page = ana.submit(
        ana.page("&step=token").text, "siteagent_read_token", token=token.text()
    )
    ana.submit(consent_page, "siteagent_accept")
    yield Connected(site, RealWordPress(site), ana, pair(token))
    site.stop()


def test_both_sides_show_the_same_fingerprint(here: Connected) -> None:
    assert here.paired.fingerprint in words(here.ana.page().text)


def test_a_ping_is_answered(here: Connected) -> None:
    assert here.paired.ask("ping").document["ok"] is True


def test_the_report_lists_installed_and_available_versions(here: Connected) -> None:
    answer = here.paired.ask("report", have=None).document
    report, available_updates = answer["report"], answer["report"]["updates"]
    assert report["wordpress"]["version"] == here.site.version
    assert {one["id"]: one["version"] for one in available_updates["plugins"]} == {
        "contact-desk/contact-desk.php": "2.4.0",
        "parcel-labels/parcel-labels.php": "2.0.0",
        "table-booking-pro/table-booking-pro.php": "4.2.0",
        "tide-gallery/tide-gallery.php": "1.1.0",
    }
    assert [one["id"] for one in available_updates["themes"]] == ["coastline"]
    assert [one["slug"] for one in available_updates["translations"]] == ["contact-desk"]
    assert [one["kind"] for one in available_updates["core"]] == ["minor"]
    assert report["database"]["server"] == "MariaDB"
    assert len(report["health"]["tests"]) > 10
    again = here.paired.ask("report", have=answer["digest"]).document
    assert again["unchanged"] is True


@pytest.mark.parametrize("tab", ["", "&tab=data", "&tab=log"])
def test_every_settings_tab_is_complete(here: Connected, tab: str) -> None:
    page = here.ana.page(tab)
    assert page.status_code == 200
    assert "wpfooter" in page.text


def test_after_revoking_and_deleting_nothing_is_left(here: Connected) -> None:
    secret, proof = here.paired.session.revoke, here.paired.session.revoke_ack
    ended = here.paired.ask("revoke", kid=here.paired.channel.keyid, r=b64u(secret))
    assert ended.document["a"] == b64u(proof)
    with pytest.raises(CallError) as refused:
        here.paired.ask("ping")
    assert refused.value.error_code is ErrorCode.unauthorized
    here.wp.evaluate(UNINSTALL)
    left = "global $wpdb; return $wpdb->get_col(\"SHOW TABLES LIKE '%siteagent%'\");"
    assert here.wp.evaluate(left) == []


def test_php_logged_no_error_of_siteagent(here: Connected) -> None:
    complaints = here.site.debug_log().splitlines()
    assert [line for line in complaints if "/plugins/siteagent/" in line] == []
