"""Answers that a browser saves as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from flask import Response

from app.domain.csv_cells import escape_csv_formula


def download(document: bytes, name: str, mimetype: str) -> Response:
    """Return a file under a name of letters, digits, hyphens and dots."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(document, mimetype=mimetype, headers=disposition)


def csv_download(name: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Response:
    """Return a table as a CSV file. No spreadsheet finds a formula in it."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(columns)
    table.writerows([escape_csv_formula(cell) for cell in row] for row in rows)
    # With its mark, Excel reads the file as UTF-8.
    return download(file.getvalue().encode("utf-8-sig"), name, "text/csv")
