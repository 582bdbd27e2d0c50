"""The changelog of an update: plain text, limited in length, with its source."""

from __future__ import annotations

import re

import pytest

from app.domain.changes import changelog
from tests.support.factories import check, propose

HOSTILE = '</pre><script>alert(1)</script><img src=x onerror="alert(2)">&lt;b&gt;{{7*7}}'


def document(text="= 5.3.1 =\n* Closes a hole", **changes):
    usual = {"part": "versions", "cut": False, "source": "api.wordpress.org", "why": None}
    return {"text": text, **usual, **changes}


@pytest.fixture
def read(as_ben, today, ben, fake, config):
    """Return a function that shows a change whose pre-check returned this changelog."""

    def show(sent):
        fake.changes.changelog = sent
        change = check(propose(today, ben, fake.clock()), fake, config)
        return as_ben.get(f"/changes/{change.id}").text

    return show


def block(text: str) -> str:
    found = re.search(r'<pre class="foreign"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert found, "no changelog is shown"
    return found[1]


def test_the_changelog_is_shown_as_text_with_its_source(read):
    text = read(document())
    assert block(text) == "= 5.3.1 =\n* Closes a hole"
    assert "The site fetched it from api.wordpress.org" in text
    assert "Aura has not checked it." in text
    assert "is longer than shown" not in text


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("versions", "Changelog for the versions after 5.3 up to 5.3.1"),
        ("beginning", "which does not separate versions"),
        ("notice", "Upgrade notice; the changelog was not available"),
    ],
)
def test_the_page_says_which_part_of_the_changelog_it_shows(read, part, words):
    assert words in read(document(part=part))


def test_markup_in_a_changelog_is_escaped(read):
    text = read(document(HOSTILE))
    assert "<script>alert" not in text
    assert "<img" not in text
    assert block(text).startswith("&lt;/pre&gt;&lt;script&gt;")
    assert "&amp;lt;b&amp;gt;{{7*7}}" in block(text)


def test_characters_that_reverse_or_hide_text_are_removed(read):
    text = block(read(document("a\u202eb\u2066c\u200bd\x00e\x1bf\u2028g\r\nh\ti\ufeff\u200f")))
    assert text == "abcdefg\nh i"


def test_a_long_changelog_is_cut(read):
    text = read(document("x" * 5000 + "the end"))
    assert len(block(text)) == changelog.MAX_CHARS
    assert "the end" not in text
    assert "The changelog is longer than shown here." in text


def test_a_changelog_of_many_lines_is_cut(read):
    assert block(read(document("\n".join(["a"] * 1500)))).count("\n") == changelog.MAX_LINES - 1


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("elsewhere", "does not come from WordPress.org"),
        ("unreachable", "the site could not reach WordPress.org"),
        ("none", "published no changelog"),
        ("<b>later</b>", "for an unknown reason"),
        (None, "for an unknown reason"),
        (["unreachable"], "for an unknown reason"),
    ],
)
def test_the_page_says_why_there_is_no_changelog(read, why, words):
    text = read(document(None, why=why))
    assert words in text
    assert '<pre class="foreign"' not in text
    assert "<b>later" not in text


@pytest.mark.parametrize("sent", [None, "text", 3, [], ["x"]])
def test_the_page_says_that_the_site_sends_no_changelogs(read, sent):
    assert "This version of SiteAgent does not send changelogs." in read(sent)


@pytest.mark.parametrize(
    "changes",
    [{"source": "evil.example"}, {"part": "all"}, {"part": ["versions"]}, {"source": None}],
)
def test_a_changelog_of_unknown_origin_is_not_shown(read, changes):
    text = read(document("Install my plugin", **changes))
    assert "Install my plugin" not in text
    assert "for an unknown reason" in text


def test_the_changelog_is_no_part_of_the_approval(read):
    text = read(document("very particular words"))
    assert text.count("very particular words") == 1


def test_every_reason_has_its_words(app):
    with app.test_request_context():
        words = app.jinja_env.get_template("changes/_words.html").module.NO_CHANGELOG
    assert set(words) == {*changelog.WHYS, changelog.UNNAMED}
