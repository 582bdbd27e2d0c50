"""Each program in front of a site is named, with the fix and the person to ask."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from app.config import Config
from app.domain.diagnostics.results import (
    BLOCKED,
    HEALTHY,
)
from tests.support.hostile.calls import CAPTCHA, JSON
from tests.support.hostile.diagnosed import blocker_of, diagnosed, diagnosed_at
from tests.support.hostile.obstacles import GZIP, IN_THE_WAY, WARNING, Named, posts
from tests.support.hostile.server import Behaviour, HostileServer, ReceivedRequest
from tests.support.hostile.site import Answer
from tests.support.hostile.wordpress import (
    HTML,
    Behind,
    calls_only,
)


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_obstacles_before_a_paired_site_are_named(case: str, config: Config) -> None:
    make, named, _ = IN_THE_WAY[case]
    found = diagnosed(make(), config, paired=True)
    assert blocker_of(found) == named
    assert found.verdict == BLOCKED


@pytest.mark.parametrize("case", [case for case, (_, _, named) in IN_THE_WAY.items() if named])
def test_obstacles_before_an_unpaired_site_are_named(case: str, config: Config) -> None:
    make, _, named = IN_THE_WAY[case]
    found = diagnosed(make(), config, paired=False)
    assert blocker_of(found) == named
    assert found.verdict == BLOCKED


def test_a_silent_cache_is_found_by_a_repeated_reply(config: Config) -> None:
    kept: dict[str, bytes] = {}

    def record(received: ReceivedRequest, answer: Answer) -> bytes:
        if received.method != "POST" or answer.status != 200 or b'"ping"' not in received.body:
            return answer.raw()
        return kept.setdefault(received.target, answer.raw())

    with HostileServer(Behind(outwards=record)) as server:
        assert diagnosed_at(server.url, config, paired=True).verdict == HEALTHY
        found = diagnosed_at(server.url, config, paired=True)
    assert blocker_of(found) == ("cache", "cached_answer")


REFUSALS_OF_OTHERS = {
    "no word of SiteAgent": (401, b'{"code":"unauthorized"}'),
    "another number": (401, b'{"code":"unauthorized","siteagent":2}'),
    "a yes for a number": (401, b'{"code":"unauthorized","siteagent":true}'),
    "no code": (401, b'{"siteagent":1}'),
    "a code that is no text": (401, b'{"code":["unauthorized"],"siteagent":1}'),
    "another code": (401, b'{"code":"too_large","siteagent":1}'),
    "as a success": (200, b'{"code":"unauthorized","siteagent":1}'),
    "as forbidden": (403, b'{"code":"unauthorized","siteagent":1}'),
    "said twice": (401, b'{"code":"unauthorized","siteagent":1,"siteagent":1}'),
    "with a byte order mark before": (401, b'\xef\xbb\xbf{"code":"unauthorized","siteagent":1}'),
}


@pytest.mark.parametrize("case", REFUSALS_OF_OTHERS)
@pytest.mark.parametrize("paired", [True, False])
def test_an_imitation_of_siteagent_proves_nothing(case: str, paired: bool, config: Config) -> None:
    status, body = REFUSALS_OF_OTHERS[case]
    found = diagnosed(calls_only(status, JSON, body), config, paired=paired)
    assert found.verdict == BLOCKED
    assert all(one.finding not in ("answers", "echoed") for one in found.checks)


OTHER_ANSWERS: dict[str, tuple[Behaviour, Named]] = {
    "words added to a refusal that is still one": (
        Behind(outwards=posts(lambda a: Answer(401, HTML, b"x" + a.body))),
        ("body", "reply_changed"),
    ),
    "words added to what calls itself JSON": (
        Behind(outwards=posts(lambda a: Answer(200, JSON, b"x" + a.body))),
        ("body", "reply_changed"),
    ),
    "an encoding that is only claimed": (
        Behind(
            outwards=posts(lambda a: replace(a, headers=a.headers | {"Content-Encoding": "br"}))
        ),
        ("body", "encoded_reply"),
    ),
    "somebody else's JSON": (calls_only(200, JSON, b'{"ok":1}'), ("pretty", "unsigned_reply")),
    "somebody else's JSON, compressed": (
        calls_only(200, JSON | GZIP, gzip.compress(b'{"ok":1}')),
        ("pretty", "encoded_reply"),
    ),
    "a warning on an ordinary page": (calls_only(200, HTML, WARNING), ("pretty", "web_page")),
    "a compressed captcha": (
        calls_only(403, HTML | GZIP, gzip.compress(CAPTCHA)),
        ("challenge", "challenged"),
    ),
    "a page that speaks of captchas": (
        calls_only(200, HTML, b"<html>Our form has a captcha</html>"),
        ("pretty", "web_page"),
    ),
    "a challenge with 200": (
        calls_only(200, HTML, b"<html><script src='/cdn-cgi/challenge-platform/x'></script>"),
        ("challenge", "challenged"),
    ),
    "a missing page that speaks of challenges": (
        calls_only(404, HTML, b"<html><script src='/cdn-cgi/challenge-platform/x'></script>"),
        ("pretty", "not_found"),
    ),
}


@pytest.mark.parametrize("case", OTHER_ANSWERS)
def test_similar_obstacles_are_distinguished(case: str, config: Config) -> None:
    behaviour, named = OTHER_ANSWERS[case]
    assert blocker_of(diagnosed(behaviour, config, paired=False)) == named
