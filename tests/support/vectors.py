"""Read the vectors that both implementations of the protocol must match."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "php-fixtures"


VECTORS = json.loads((FOLDER / "vectors.json").read_bytes())


TO_VERIFY = [*VECTORS["messages"], *VECTORS["accepted"], *VECTORS["refusals"]]


def by_name(rows: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in rows]
