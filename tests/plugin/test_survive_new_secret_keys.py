"""Change WordPress's secret keys: SiteAgent reports it, or uses SITEAGENT_KEY and continues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.http.site_client import CallError
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words
from tests.wordpress.engine import docker

CONFIG = "/var/www/wordpress/wp-config.php"


@contextmanager
def wp_config(wp: Any, *, changed_salts: bool = False, own_key: str = "") -> Iterator[None]:
    """Change the secret keys in wp-config.php, or add SITEAGENT_KEY, or both, for a while."""
    steps = [f"cp -p {CONFIG} {CONFIG}.before"]
    if changed_salts:
        steps.append(
            rf"""sed -Ei "s/('(AUTH|SECURE_AUTH|LOGGED_IN)_KEY', *')/\1changed /" {CONFIG}"""
        )
    if own_key:
        steps.append(f"""sed -i "2i define('SITEAGENT_KEY', '{own_key}');" {CONFIG}""")
    change(wp, *steps)
    try:
        yield
    finally:
        change(wp, f"mv {CONFIG}.before {CONFIG}", f"touch {CONFIG}")


def change(wp: Any, *steps: str) -> None:
    """Change the file and drop its compiled copy."""
    docker("exec", wp.container, "bash", "-euc", "\n".join(steps))
    wp.evaluate("opcache_invalidate(ABSPATH . 'wp-config.php', true);")


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


def site_health(wp: Any) -> dict[str, Any]:
    return wp.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/misc.php';"
        "return siteagent()->site_health()->test_keys();"
    )


def test_changed_secret_keys_are_reported_on_both_sides(wp, paired) -> None:
    assert site_health(wp)["status"] == "good"
    with wp_config(wp, changed_salts=True):
        with pytest.raises(CallError) as caught:
            paired.ask("ping")
        assert caught.value.error_code == "site_keys_unreadable"
        assert site_health(wp)["status"] == "critical"
        ana = Person(wp.url, wp.admin, wp.password)
        dashboard = ana.session.get(f"{wp.url}/wp-admin/index.php", timeout=60).text
        assert "SiteAgent cannot read its saved keys" in dashboard
        page = words(ana.page().text)
        assert "restore them in wp-config.php" in page
        assert "define( 'SITEAGENT_KEY'" in page
    # With the former keys the connection works again.
    assert paired.ask("ping").document["ok"] is True


def test_a_stranger_does_not_learn_that_the_keys_are_unreadable(wp, paired) -> None:
    with wp_config(wp, changed_salts=True):
        stranger = paired.channel.__class__(0, paired.channel.endpoint, "nobody.1", b"x", b"y")
        with pytest.raises(CallError) as caught:
            Paired(stranger, paired.session, "", b"").ask("ping")
    assert caught.value.error_code == "unauthorized"


def test_a_site_with_its_own_key_keeps_its_connection(wp, paired) -> None:
    with wp_config(wp, own_key="a" * 64):
        # Defined on a connected site, it takes over with the next request.
        assert paired.ask("ping").document["ok"] is True
    with wp_config(wp, own_key="a" * 64, changed_salts=True):
        assert paired.ask("ping").document["ok"] is True
        assert paired.ask("report", have=None).document["ok"] is True
        assert site_health(wp)["status"] == "good"
    with wp_config(wp, changed_salts=True), pytest.raises(CallError):
        paired.ask("ping")


def test_a_site_connected_under_its_own_key_does_not_depend_on_the_salts(wp) -> None:
    forget(wp)
    with wp_config(wp, own_key="b" * 64):
        paired = connect(wp)
    with wp_config(wp, own_key="b" * 64, changed_salts=True):
        assert paired.ask("ping").document["ok"] is True
        assert "SITEAGENT_KEY" in site_health(wp)["description"]
        forget(wp)
