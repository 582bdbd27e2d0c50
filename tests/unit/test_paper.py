"""A page's words on paper: tagged, linked, the same each time, whatever somebody typed."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from pypdf import PdfReader

from app.pdf import render_pdf
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


def test_blocks_are_those_of_the_page_in_their_order() -> None:
    found = [(block.kind, block.term, block.text) for block in blocks_of(PAGE)]
    assert found == [
        ("h2", "", "Summary"),
        ("p", "", "One change worked, see entry 7."),
        ("dd", "Sites", "2"),
        ("li", "", "First"),
        ("li", "", "Second"),
    ]


def test_every_word_stands_in_a_tagged_block() -> None:
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
def test_nothing_that_somebody_typed_makes_it_fail(text: str) -> None:
    html = f"<h2>{escape(text)}</h2><p>{escape(text)}</p><dl><dt>{escape(text)}</dt><dd>x</dd></dl>"
    assert read(paper(html)).pages


def test_a_long_paragraph_is_printed_whole() -> None:
    words = [f"word{number}" for number in range(2000)]
    document = read(paper(f"<p>{' '.join(words)}</p>"))
    printed = " ".join(page.extract_text() for page in document.pages).split()
    assert [word for word in printed if word.startswith("word")] == words
