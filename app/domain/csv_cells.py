"""Cells of CSV files that no spreadsheet takes for a formula, and the way back."""

from __future__ import annotations

# First characters that a spreadsheet treats as a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def escape_csv_formula(value: object) -> str:
    """Return a cell that stays text in every spreadsheet."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def unescape_csv_formula(cell: str) -> str:
    """Return the text of a cell that `escape_csv_formula` wrote; other cells unchanged."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell
