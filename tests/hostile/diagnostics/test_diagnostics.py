"""Connection test: each obstacle is reported, and no blocked site counts as healthy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from flask import Flask

from app.config import Config
from app.domain.diagnostics import anonymous_probe
from app.domain.diagnostics.results import (
    ANSWERS,
    BLOCKED,
    HEALTHY,
    NAMES,
    OK,
    SKIPPED,
    UNKNOWN,
    WARN,
    Diagnosis,
)
from app.views import filters
from app.views.diagnostics import as_text
from tests.support.hostile.calls import JSON
from tests.support.hostile.diagnosed import (
    blocker_of,
    diagnosed,
    diagnosed_at,
    evidence_of,
    verdict_of,
)
from tests.support.hostile.obstacles import IN_THE_WAY, STAGING, WARNING, printed_before, redirected
from tests.support.hostile.server import HostileServer, ReceivedRequest, http
from tests.support.hostile.site import Answer
from tests.support.hostile.wordpress import (
    HTML,
    ROUTES,
    Behind,
    WordPress,
    calls_only,
    everything,
)

SOURCES = sorted((Path(__file__).parents[3] / "app/domain/diagnostics").glob("*.py"))

# Findings whose names are composed in the source.
DERIVED = {
    *(f"no_{name}" for name in ("redirect", "password", "challenge", "cache")),
    *(f"{name}_untold" for name in ("headers", "body", "output", "clock")),
}


# ---- the case that works


def test_a_paired_site_that_echoes_is_healthy(config: Config) -> None:
    found = diagnosed(WordPress(), config, paired=True)
    assert (found.verdict, found.is_clear) == (HEALTHY, True)
    assert verdict_of(found, "echo") == (OK, "echoed")
    assert verdict_of(found, "headers") == (OK, "headers_proven")
    assert verdict_of(found, "body") == (OK, "body_proven")
    assert verdict_of(found, "clock") == (OK, "clock_right")
    assert {one.verdict for one in found.checks if one.name != "tls"} == {OK}


def test_an_unpaired_site_answers_and_is_not_called_healthy(config: Config) -> None:
    found = diagnosed(WordPress(), config, paired=False)
    assert (found.verdict, found.is_clear) == (ANSWERS, True)
    assert verdict_of(found, "echo") == (SKIPPED, "not_paired")
    assert verdict_of(found, "headers") == (OK, "headers_arrive")
    assert verdict_of(found, "body") == (OK, "body_length")
    assert verdict_of(found, "output") == (OK, "output_clean")


def test_each_check_appears_once_in_order(config: Config) -> None:
    for behaviour in (WordPress(), everything(500, HTML)):
        found = diagnosed(behaviour, config, paired=True)
        assert tuple(one.name for one in found.checks) == NAMES


# ---- what is not a blocker


def test_plain_permalinks_are_not_a_blocker(config: Config) -> None:
    found = diagnosed(WordPress(has_pretty=False), config, paired=True, path=ROUTES[1])
    assert found.verdict == HEALTHY
    assert verdict_of(found, "pretty") == (WARN, "not_here")
    assert verdict_of(found, "plain") == (OK, "answers")
    assert verdict_of(found, "rest_index") == (OK, "index_lists")
    assert diagnosed(WordPress(has_pretty=False), config, paired=False).verdict == ANSWERS


def test_a_closed_rest_api_is_not_a_blocker(config: Config) -> None:
    found = diagnosed(WordPress(is_rest_open=False), config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "rest_index") == (WARN, "rest_closed")


@pytest.mark.parametrize(("status", "body"), [(200, b'{"code":"x"}'), (401, b'{"no":"code"}')])
def test_only_a_refusal_means_that_the_rest_api_is_closed(
    status: int, body: bytes, config: Config
) -> None:
    site = Behind(instead=lambda a: http(status, JSON, body) if "namespaces" in a.target else None)
    found = diagnosed(site, config, paired=True)
    assert verdict_of(found, "rest_index") == (WARN, "no_index")


def test_a_front_page_behind_a_password_is_not_a_blocker(config: Config) -> None:
    site = Behind(instead=lambda received: http(401, STAGING) if received.target == "/" else None)
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "password") == (WARN, "password_asked")
    assert evidence_of(found, "password")["met_at"] == "front page"
    assert verdict_of(found, "website") == (SKIPPED, "")


def test_a_page_cache_without_calls_is_not_a_blocker(config: Config) -> None:
    def cache(received: ReceivedRequest, answer: Answer) -> bytes:
        more = {"X-Cache": "HIT"} if received.method == "GET" else {}
        return replace(answer, headers=answer.headers | more).raw()

    found = diagnosed(Behind(outwards=cache), config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "cache") == (OK, "pages_cached")


def test_a_front_page_in_another_language_is_not_a_blocker(config: Config) -> None:
    site = Behind(
        instead=lambda received: http(302, {"Location": "/en/"}) if received.target == "/" else None
    )
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "redirect") == (OK, "redirects_inside")


def test_a_protected_wp_admin_is_not_a_blocker(config: Config) -> None:
    site = Behind(
        instead=lambda received: http(401, STAGING) if "wp-admin" in received.target else None
    )
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "password") == (OK, "no_password")
    assert verdict_of(found, "ajax") == (WARN, "password_asked")


def test_a_siteagent_without_the_fallback_is_not_a_blocker(config: Config) -> None:
    site = Behind(
        instead=lambda received: http(400, HTML, b"0") if "ajax" in received.target else None
    )
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "ajax") == (WARN, "ajax_unknown")


def test_a_clock_minutes_off_is_accepted_and_shown(config: Config) -> None:
    found = diagnosed(WordPress(clock_ahead_s=720), config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "clock") == (WARN, "clock_off")
    assert 718 <= int(evidence_of(found, "clock")["offset_s"]) <= 722


def test_the_date_header_shows_the_clock_before_pairing(config: Config) -> None:
    def dated(text: str) -> Behind:
        return Behind(outwards=lambda _, a: replace(a, headers=a.headers | {"Date": text}).raw())

    wrong = diagnosed(dated("Tue, 24 Nov 2020 10:00:00 GMT"), config, paired=False)
    assert verdict_of(wrong, "clock") == (WARN, "server_clock_off")
    right = diagnosed(dated(format_datetime(datetime.now(UTC), usegmt=True)), config, paired=False)
    assert verdict_of(right, "clock") == (OK, "server_clock_right")
    assert verdict_of(diagnosed(dated("tomorrow"), config, paired=False), "clock")[0] == UNKNOWN


def test_the_site_reports_which_file_printed_output(config: Config) -> None:
    site = WordPress(more={"output_started": "loader.php:12\u202e"})
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "output") == (WARN, "output_seen")
    assert evidence_of(found, "output")["printed_by"] == "loader.php:12"


# ---- evidence


def test_file_and_line_of_a_warning_are_read_from_the_answer(config: Config) -> None:
    found = diagnosed(Behind(outwards=printed_before(WARNING)), config, paired=True)
    assert evidence_of(found, "output")["printed_by"] == "mu-plugins/loader.php:12"


def test_the_address_to_allow_is_evidence(config: Config) -> None:
    found = diagnosed(calls_only(403, HTML), config, paired=True)
    assert str(evidence_of(found, "challenge")["address"]).endswith(ROUTES[0])


def test_the_address_behind_a_redirect_is_offered(config: Config) -> None:
    found = diagnosed(redirected("https://www.bakery.example/shop"), config, paired=False)
    assert evidence_of(found, "redirect")["use"] == "https://www.bakery.example/shop"


@pytest.mark.parametrize("location", ["javascript:alert(1)", "//", "http://[", "", "x" * 5000])
def test_an_invalid_redirect_offers_no_address(location: str, config: Config) -> None:
    found = diagnosed(everything(302, {"Location": location}), config, paired=True)
    assert blocker_of(found) == ("redirect", "redirected")
    assert "javascript" not in str(evidence_of(found, "redirect").get("use", ""))


@pytest.mark.parametrize(
    ("headers", "body", "name"),
    [
        ({"X-Sucuri-ID": "11005"}, b"Access Denied", "Sucuri"),
        ({"Server": "cloudflare", "CF-RAY": "8f"}, b"", "Cloudflare"),
        ({}, b"Generated by Wordfence at ...", "Wordfence"),
        ({}, b"This error was generated by Mod_Security.", "ModSecurity"),
        ({}, b"Something else", None),
    ],
)
def test_blocking_software_is_recognized(
    headers: dict[str, str], body: bytes, name: str | None, config: Config
) -> None:
    found = diagnosed(calls_only(403, HTML | headers, body), config, paired=False)
    assert evidence_of(found, "challenge").get("recognised_as") == name


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_random_bytes_are_diagnosed_completely(paired: bool, size: int, config: Config) -> None:
    for status in (200, 202, 204, 401, 403, 404, 418, 500):
        found = diagnosed(everything(status, {"X": "y"}, b"{" * size), config, paired=paired)
        assert found.verdict == BLOCKED
        assert not found.is_clear


def test_a_page_that_is_slow_to_search_is_diagnosed_quickly(config: Config) -> None:
    def cost(count: int) -> float:
        began = time.process_time()
        page = b"Warning: in /" + b" in a.phpWarning: in " * count
        assert diagnosed(everything(200, HTML, page), config, paired=True).verdict == BLOCKED
        return time.process_time() - began

    # A search that restarts at each position takes 256 times as long.
    assert cost(48_000) < 40 * cost(3_000)


def test_no_request_is_made_after_the_deadline(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anonymous_probe, "TOTAL_TIMEOUT_S", 0.0)
    with HostileServer(WordPress()) as server:
        found = diagnosed_at(server.url, config, paired=False)
        assert (server.connections, found.requests) == (0, 0)
    assert not found.is_clear


# ---- the report as text


@pytest.fixture
def report_text(config: Config) -> Callable[[Diagnosis], str]:
    app = Flask("app", template_folder="templates")
    filters.register(app)

    def render(found: Diagnosis) -> str:
        with app.app_context():
            return as_text(found)

    return render


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_the_text_has_blocker_evidence_and_remedy(
    case: str, config: Config, report_text: Callable[[Diagnosis], str]
) -> None:
    make, (check, finding), _ = IN_THE_WAY[case]
    text = report_text(diagnosed(make(), config, paired=True))
    assert f"({check}, {finding})\n" in text
    assert "[blocked]" in text
    assert "Next: " in text.split("[blocked]", 1)[1].split("\n[", 1)[0]
    assert "Not understood" not in text
    assert "&#" not in text


def test_every_finding_has_its_text(config: Config) -> None:
    """Compare the findings in the source with the texts in the templates."""
    app = Flask("app", template_folder="templates")
    filters.register(app)
    with app.app_context():
        words = app.jinja_env.get_template("diagnostics/_words.html").module
        errors = app.jinja_env.get_template("components/errors.html").module
    assert set(words.CHECKS) == set(NAMES)
    sources = "".join(path.read_text("utf-8") for path in SOURCES)
    for finding, known in words.FINDINGS.items():
        assert f'"{finding}"' in sources or finding in DERIVED, finding
        assert known.get("next") or "happened" not in known
        assert finding not in errors.ERRORS
