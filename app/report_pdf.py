"""Render a client's report as a PDF, in the client's language."""

from __future__ import annotations

from datetime import datetime

from app.pdf import PdfWords, render_pdf
from app.report_format import Look, ReportText, render_document, words_of


def render_report(text: ReportText, look: Look) -> bytes:
    """Return the PDF. Equal texts and looks give equal bytes."""
    words = words_of(text)
    return render_pdf(
        render_document(text),
        title=words.title,
        subtitle=words.subtitle,
        base=look.origin,
        at=datetime.fromisoformat(text.content["created_at"]),
        logo=look.logo,
        accent=look.accent,
        words=PdfWords(text.language, words.page, words.missing),
    )
