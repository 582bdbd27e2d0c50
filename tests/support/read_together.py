"""`python -m tests.support.read_together <folder>`: several processes and one read a long log.

Prints as JSON what both found, for the whole audit log and after each of some changes to it. In a
process of its own: one that tests run in has threads, and is not forked.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

from app.domain import audit
from app.domain.audit import Anchor, chain, parallel
from app.models import migrate
from app.models.audit import AuditEntry
from app.models.audit_chain import Execute
from app.models.base import db, use_database
from tests.support.audit_entries import fill
from tests.support.config import make_config
from tests.support.tampering import without_guards

ENTRIES = 200
read_apart = chain._read_apart
CHANGES = (
    "",
    "UPDATE audit SET body = REPLACE(body, 'ok', 'no') WHERE seq = 1",
    "UPDATE audit SET body = REPLACE(body, 'ok', 'no') WHERE seq IN (90, 170)",
    "UPDATE audit SET prev = hash WHERE seq = 101",
    "UPDATE audit SET prev = 'x' WHERE seq = 101",
    "UPDATE audit SET hash = REPLACE(hash, '0', '1') WHERE seq = 100",
    "UPDATE audit SET hash = REPLACE(hash, '0', '1') WHERE seq = 200",
    "DELETE FROM audit WHERE seq = 1",
    "DELETE FROM audit WHERE seq BETWEEN 95 AND 130",
    "UPDATE audit SET seq = 999 WHERE seq = 100",
)


def main() -> None:
    folder = Path(sys.argv[1])
    config = make_config(folder)
    migrate.to_newest(config.database_url, config.var_dir)
    with db.connection_context():
        fill(ENTRIES)
        anchors = [Anchor(n, AuditEntry.get_by_id(n).hash, "a site") for n in (50, 150)]
        without_guards()
    found = []
    for number, change in enumerate(CHANGES):
        path = folder / f"{number}.db"
        shutil.copy(folder / "aura.db", path)
        use_database(f"sqlite:///{path}")
        with db.connection_context():
            if change:
                db.execute_sql(change)
            found.append([read(anchors, worth_sharing) for worth_sharing in (10, 10_000)])
    use_database(config.database_url)
    with db.connection_context(), patch.object(chain, "_read_apart", dies):
        found.append([read(anchors, 10), read(anchors, 10_000)])
    print(json.dumps(found))


def dies(execute: Execute, span: tuple[int, int]) -> Any:
    """A child that is killed when half of the chain has been read."""
    if span[0] >= ENTRIES // 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_apart(execute, span)


def read(anchors: list[Anchor], worth_sharing: int) -> dict[str, Any]:
    """With several processes where there are more entries than that; the processes are real."""
    with (
        patch.object(chain, "_WORTH_SHARING", worth_sharing),
        patch.object(parallel, "processor_count", lambda: 3),
        patch.object(parallel, "run_parts", Mock(wraps=parallel.run_parts)) as shared,
    ):
        report = audit.verify_chain(anchors)
        return {**asdict(report), "shared": shared.called}


if __name__ == "__main__":
    main()
