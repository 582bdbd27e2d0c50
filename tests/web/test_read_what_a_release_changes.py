"""Review what a release changes, down to the lines of a file."""

from __future__ import annotations

import re
from html import unescape

import pytest

from app.code_look import KINDS
from app.domain.changes import auto_update_rules, package_cache
from app.domain.changes.release_difference import BINARY, NOT_KEPT, TOO_DIFFERENT, TOO_LARGE
from app.models.base import utcnow
from app.models.changes import Change
from app.models.file_checks import ComparedComponent
from app.models.release_comparisons import ReleaseComparison
from app.models.sites import Site
from app.package_oddities import CODES, WARNINGS
from tests.support.factories import check, propose
from tests.support.release_reviews import compare, offer
from tests.support.rules import terms

CORE_LIKE = "includes/wp-comments-posts.php"
HOSTILE = "</td><script>alert(1)</script>{{7*7}} \u202eevil\u202c \x1b[31m"


@pytest.fixture
def review(as_ben, today, ben, fake, config):
    """Return a function that offers an update with these extra files and returns its page."""

    def begin(new=None, old=None, *, is_compared=True):
        server = offer(fake, new, old)
        change = check(propose(today, ben, fake.clock()), fake, config)
        if is_compared:
            compare(server, config, fake.clock)
        return f"/changes/{change.id}"

    return begin


def shown(answer) -> str:
    assert answer.status_code == 200
    return unescape(answer.text)


def compared(site: Site, *names: str, version: str = "5.3", state: str = "different") -> None:
    """Store that the site compared its installed files and found these different."""
    ComparedComponent.create(
        site=site,
        kind="plugin",
        ident="akismet/akismet.php",
        name="Akismet",
        version=version,
        compared_with="wordpress.org",
        changed=len(names),
        changed_files=list(names),
        found_at=utcnow(),
        state=state,
    )


def test_edits_on_this_site_that_the_update_overwrites_are_named(as_ben, review, today) -> None:
    compared(today, *(f"inc/<b>{number}.php" for number in range(7)))
    text = as_ben.get(review()).text
    assert "This update overwrites files that were edited on this site" in text
    assert "7 files differ from the release of 5.3" in text
    assert "<code>inc/&lt;b&gt;0.php</code>" in text
    assert "and 2 more" in unescape(text)
    assert "Edited on this site" in text


@pytest.mark.parametrize(
    ("names", "about", "words"),
    [
        (None, {}, "Unknown: this site has not compared these files"),
        (["a.php"], {"version": "5.2"}, "Unknown: this site has not compared these files"),
        (["a.php"], {"state": "not_compared"}, "Unknown: this site has not compared these files"),
        ([], {"state": "same"}, "No edits found"),
    ],
)
def test_the_page_says_whether_edits_are_known(as_ben, review, today, names, about, words):
    if names is not None:
        compared(today, *names, **about)
    text = as_ben.get(review()).text
    assert words in text
    assert "This update overwrites" not in text


def test_the_card_says_what_changes(as_ben, review):
    code = b"""<?php
    wp_schedule_event(time(), 'daily', 'akismet_sweep');
    wp_remote_get('https://stats.akismet.example/v1');
    register_rest_route('akismet/v2', '/keys', []);
    add_action('wp_ajax_nopriv_akismet_send', 'x'); get_role('editor')->add_cap('sweep');
    echo base64_decode($x);"""
    readme = b"Requires at least: 6.2\nTested up to: 7.1\nRequires PHP: 7.4\n"
    page = review(
        {"inc/sweep.php": code, "readme.txt": readme, "bin/a.sh": b"x"}, {"gone.css": b""}
    )
    text = shown(as_ben.get(page))
    for words in (
        "Compared with 5.3",
        "2 changed, 2 new, 1 gone",
        "akismet_sweep",
        "stats.akismet.example",
        "akismet/v2/keys",
        "akismet_send",
        "sweep",
        "base64_decode",
        "New programs and scripts",
        "WordPress 6.2 or newer",
        "Tested up to WordPress 7.1",
        "without running them",
    ):
        assert words in text, words
    assert "Look at this before you approve" not in text


def test_a_file_named_like_one_of_wordpress_is_highlighted(as_ben, review):
    page = review({CORE_LIKE: b"<?php eval($_POST['x']);"})
    text = shown(as_ben.get(page))
    assert "Look at this before you approve" in text
    assert "New PHP named like a file of WordPress itself" in text
    assert "Something in this release needs a look before you approve it." in text
    assert CORE_LIKE in text
    batch = shown(as_ben.get(f"/updates/{change_of(page).batch}"))
    assert "New PHP named like a file of WordPress itself" in batch
    assert "With risks" in batch
    assert CORE_LIKE in batch


def change_of(page):
    return Change.get_by_id(int(page.rpartition("/")[2]))


def test_the_page_says_why_the_rule_does_not_approve_a_release(as_ben, review, ana, fake):
    now = fake.clock()
    page = review({CORE_LIKE: b"<?php"})
    rule = auto_update_rules.create_rule(terms(fake.clock), by=ana, confirmed_at=now, now=now)
    Change.update(rule=rule).execute()
    assert "The rule leaves this release to a person" in re.sub(
        r"\s+", " ", shown(as_ben.get(page))
    )
    ReleaseComparison.update(findings={"is_complete": True}).execute()
    assert "The rule approves it during its hours" in shown(as_ben.get(page))


def test_the_review_refreshes_once_the_releases_are_compared(as_ben, review):
    batch = f"/updates/{change_of(review()).batch}"
    ReleaseComparison.update(state="waiting", findings={}).execute()
    before = as_ben.get(batch).text
    assert "Being compared" in before
    poll = unescape(re.search(r'hx-get="([^"]+/progress[^"]+)"', before)[1])
    assert as_ben.get(poll).status_code == 204
    ReleaseComparison.update(state="failed").execute()
    assert "Cannot be compared" in shown(as_ben.get(poll))


def test_the_review_says_what_each_release_changes(as_ben, review):
    page = review({"inc/a.php": b"<?php file_get_contents('https://new.example/x');"})
    text = shown(as_ben.get(f"/updates/{change_of(page).batch}"))
    assert "1 changed, 1 new, 0 gone" in text
    assert "New servers in the code" in text
    assert "new.example" in text
    assert "With risks" not in text


def test_the_card_says_that_the_comparison_is_running(as_ben, review):
    text = shown(as_ben.get(review(is_compared=False)))
    assert "Aura is comparing the packages of both versions." in text


def test_a_package_that_only_the_site_has_cannot_be_shown(as_ben, today, ben, fake, config):
    fake.changes.package_path = None
    change = check(propose(today, ben, fake.clock()), fake, config)
    text = shown(as_ben.get(f"/changes/{change.id}"))
    assert "Cannot be shown: only the site has this package" in text
    for page in ("files", "difference?file=akismet.php"):
        assert as_ben.get(f"/changes/{change.id}/{page}").status_code == 404


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("old_not_served", "WordPress.org does not serve the installed version"),
        ("package_unsafe_path", "a file outside of its own folder"),
        ("dns", "Aura could not download a package from WordPress.org"),
        ("", "too large to compare in time"),
    ],
)
def test_the_page_says_why_releases_cannot_be_compared(as_ben, review, problem, words):
    page = review()
    ReleaseComparison.update(state="failed", problem=problem, findings={}).execute()
    assert words in shown(as_ben.get(page))


def test_the_page_says_that_the_analysis_did_not_finish(as_ben, review):
    page = review()
    row = ReleaseComparison.get()
    row.update_if(findings={**row.findings, "is_complete": False})
    assert "did not end in time" in shown(as_ben.get(page))


def test_every_code_has_its_words(app):
    words = app.jinja_env.get_template("changes/_release_words.html").module
    assert {*words.WARNINGS, *words.ODDITIES} == set(CODES)
    assert set(words.WARNINGS) == set(WARNINGS)
    assert set(words.NAMES) == set(KINDS)
    assert set(words.NO_DIFFERENCE) == {BINARY, TOO_LARGE, TOO_DIFFERENT, NOT_KEPT}


# ---- files and their differences ----


def test_all_files_are_listed_by_kind_of_change(as_ben, review):
    page = review({f"inc/{number:03}.php": b"<?php" for number in range(120)}, {"old.css": b"a"})
    text = shown(as_ben.get(f"{page}/files"))
    assert "inc/099.php" in text
    assert "inc/100.php" not in text
    assert "Files 1 to 100 of 120" in text
    assert "inc/119.php" in shown(as_ben.get(f"{page}/files?part=added&page=2"))
    assert "old.css" in shown(as_ben.get(f"{page}/files?part=gone"))
    assert "akismet.php" in shown(as_ben.get(f"{page}/files?part=changed"))
    assert "inc/000.php" in shown(as_ben.get(f"{page}/files?part=nonsense&page=x"))


def difference(as_ben, page, file):
    return as_ben.get(f"{page}/difference", query_string={"file": file})


def test_the_lines_of_a_file_that_differ_are_shown(as_ben, review):
    page = review({"a.php": b"<?php\r\none\nnew\n"}, {"a.php": b"<?php\r\none\nold\n"})
    text = difference(as_ben, page, "a.php").text
    assert ">old</code>" in text
    assert ">new</code>" in text
    assert 'class="sr"> removed</span>' in text
    assert ">one</code>" in text


def test_the_content_of_a_file_is_shown_as_text(as_ben, review):
    page = review({"a.php": HOSTILE.encode()}, {"a.php": b"old"})
    text = difference(as_ben, page, "a.php").text
    assert "<script>alert" not in text
    assert "{{7*7}}" in text
    assert "\\u{202E}evil\\u{202C}" in text
    assert "\\u{001B}[31m" in text
    assert "\u202e" not in text


def test_a_name_that_reverses_text_is_spelled_out_and_found(as_ben, review):
    page = review({"inc/\u202ephp.gpj.php": b"<?php first_line();"})
    text = as_ben.get(f"{page}/files").text
    assert "inc/\\u{202E}php.gpj.php" in text
    assert "\u202e" not in text
    found = difference(as_ben, page, "inc/\\u{202E}php.gpj.php")
    assert "first_line" in found.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\x00\x01", "not a text file"),
        (b"x" * 1_100_000, "too large to show"),
        (b"\n" * 20_001, "too large to show"),
        (b"".join(b"%d\n" % number for number in range(1200)), "More than 1,000 lines differ"),
    ],
    ids=["binary", "large", "long", "rewritten"],
)
def test_the_page_says_why_a_difference_cannot_be_shown(as_ben, review, content, words):
    page = review({"a.txt": content}, {"a.txt": b"old\n"})
    assert words in shown(difference(as_ben, page, "a.txt"))


def test_one_line_of_half_a_megabyte_is_cut(as_ben, review):
    page = review({"a.js": b"x" * 500_000 + b"secret"}, {"a.js": b"old"})
    answer = difference(as_ben, page, "a.js")
    assert "…" in answer.text
    assert len(answer.data) < 40_000


def test_long_differences_have_pages(as_ben, review):
    page = review({"a.txt": b"".join(b"line %d.\n" % number for number in range(700))})
    first = difference(as_ben, page, "a.txt").text
    assert "line 299." in first
    assert "line 300." not in first
    last = as_ben.get(f"{page}/difference?file=a.txt&page=3").text
    assert "line 699." in last


def test_unknown_files_and_deleted_packages_are_reported(as_ben, review, config):
    page = review()
    for file in ("../../etc/passwd", "", "akismet/akismet.php", "\u202e"):
        assert difference(as_ben, page, file).status_code == 404
    path = package_cache.find(ReleaseComparison.get().from_sha256, config)
    path.unlink()
    assert "no longer has the packages" in shown(difference(as_ben, page, "akismet.php"))


def test_a_person_who_may_not_see_the_site_sees_no_files(as_dora, anonymous, review):
    page = review()
    Site.update(client=None).execute()
    for address in (f"{page}/files", f"{page}/difference?file=akismet.php"):
        assert as_dora.get(address).status_code == 404
        assert anonymous.get(address).status_code == 303
