"""Writes vectors.json, the one file both implementations are held to.

Run: python tests/php-fixtures/make_vectors.py        (no argument: rewrite the file)
The inputs are fixed, so the same code always gives the same bytes. A change in the
file is a change of the protocol and belongs into docs/PROTOCOL.md and DECISIONS.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.vector_document import vectors

TARGET = Path(__file__).with_name("vectors.json")

if __name__ == "__main__":
    TARGET.write_bytes(vectors())
    print(f"wrote {TARGET.name}")
