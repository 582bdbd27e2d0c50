"""PDF output: tags, links, determinism, and any typed text."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from pypdf import PdfReader

from app.pdf import PdfWords, render_pdf
from app.pdf_blocks import blocks_of
from tests.support.fakes import at
from tests.support.hypothesis_profiles import examples
from tests.support.pictures import picture

NOW = at("2026-11-26 10:00")
PAGE = """
<section><h2>Summary</h2><p>One <strong>change</strong> worked, see
<a href="/activity/7">entry 7</a>.</p>
<dl><div><dt>Sites</dt><dd>2</dd></div></dl><ul><li>First</li><li>Second</li></ul></section>
"""


def paper(html: str, **look: Any) -> bytes:
    return render_pdf(
        html, title="Report", subtitle="November", base="https://aura.example", at=NOW, **look
    )


def read(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def test_the_pdf_has_the_blocks_of_the_page_in_order() -> None:
    found = [(block.kind, block.term, block.text) for block in blocks_of(PAGE)]
    assert found == [
        ("h2", "", "Summary"),
        ("p", "", "One change worked, see entry 7."),
        ("dd", "Sites", "2"),
        ("li", "", "First"),
        ("li", "", "Second"),
    ]


def test_every_word_is_in_a_tagged_block() -> None:
    document = read(paper(PAGE))
    root = document.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    tags = [kid.get_object()["/S"] for kid in root["/StructTreeRoot"]["/K"][0].get_object()["/K"]]
    assert tags[:4] == ["/H1", "/P", "/H2", "/P"]
    assert document.metadata.title == "Report"


def test_a_logo_is_an_artifact_above_the_same_tagged_text() -> None:
    tall, wide = picture(size=(60, 144)), picture(size=(480, 20))
    for logo in (tall, wide):
        branded, plain = read(paper(PAGE, logo=logo)), read(paper(PAGE))
        tree = branded.trailer["/Root"]["/StructTreeRoot"]["/K"][0].get_object()["/K"]
        assert [kid.get_object()["/S"] for kid in tree][:2] == ["/H1", "/P"]
        assert branded.pages[0].extract_text() == plain.pages[0].extract_text()
        assert len(branded.pages[0].images) == 1
        content = branded.pages[0].get_contents().get_data()
        before, after = content.split(b"/Artifact BMC", 1)
        assert b"BDC" not in before
        assert b" Do" in after[: after.index(b"EMC")]
    assert paper(PAGE, logo=tall) == paper(PAGE, logo=tall)


FRONT = """
<dl class="figures"><div><dt>Online</dt><dd>99.9 %</dd></div>
<div><dt>Outages</dt><dd>2</dd></div></dl>
<p class="days" data-states="up,down,,up">An outage on 1 day.</p>
<h2 class="details">Details</h2>
"""


def test_figures_and_days_are_read_in_order_and_drawn_as_artifacts() -> None:
    figures, days, heading = blocks_of(FRONT)
    assert figures.figures == [("Online", "99.9 %"), ("Outages", "2")]
    assert days.days == ("up", "down", "", "up")
    document = read(paper(FRONT))
    assert len(document.pages) == 2, "the details begin on a page of their own"
    text = document.pages[0].extract_text()
    order = ["Online", "99.9 %", "Outages", "2", "An outage on 1 day."]
    assert sorted(order, key=text.index) == order
    assert heading.text in document.pages[1].extract_text()
    content = document.pages[0].get_contents().get_data()
    assert content.count(b"BMC") + content.count(b"BDC") == content.count(b"EMC")
    drawn = [part.split(b"EMC")[0] for part in content.split(b"/Artifact BMC")[1:]]
    assert sum(part.count(b" re ") for part in drawn) == content.count(b" re ") == 4 + 4


def test_a_document_has_a_language_and_page_numbers_in_it() -> None:
    words = PdfWords("de", "Seite %(number)s", "fehlt")
    document = read(paper(PAGE + "<p>\u6f22</p>", words=words))
    assert document.trailer["/Root"]["/Lang"] == "de"
    text = document.pages[0].extract_text()
    assert "Seite 1" in text
    assert "fehlt" in text


def test_links_lead_to_the_page_in_aura_and_nowhere_else() -> None:
    html = PAGE + '<p><a href="javascript:alert(1)">x</a> <a href="file:///etc/passwd">y</a></p>'
    page = read(paper(html)).pages[0]
    targets = [one.get_object()["/A"]["/URI"] for one in page["/Annots"]]
    assert set(targets) == {"https://aura.example/activity/7"}


def test_equal_words_give_equal_bytes() -> None:
    assert paper(PAGE) == paper(PAGE)
    assert paper(PAGE) != paper(PAGE.replace("One", "Two"))


def test_a_long_report_goes_on_on_further_pages() -> None:
    html = "".join(f"<h2>Site {number}</h2><p>{'word ' * 200}</p>" for number in range(30))
    pages = read(paper(html)).pages
    assert len(pages) > 3
    assert f"Page {len(pages)}" in pages[-1].extract_text()


@examples(quick=15, thorough=100)
@given(text=st.text(max_size=400))
def test_any_typed_text_can_be_printed(text: str) -> None:
    html = f"<h2>{escape(text)}</h2><p>{escape(text)}</p><dl><dt>{escape(text)}</dt><dd>x</dd></dl>"
    assert read(paper(html)).pages


def test_a_long_paragraph_is_printed_whole() -> None:
    words = [f"word{number}" for number in range(2000)]
    document = read(paper(f"<p>{' '.join(words)}</p>"))
    printed = " ".join(page.extract_text() for page in document.pages).split()
    assert [word for word in printed if word.startswith("word")] == words
