"""Change the audit log as the owner of the database can, past its triggers."""

from __future__ import annotations

from app.models.audit import AuditEntry, PrivateDetail
from app.models.base import db, is_postgres


def without_guards() -> None:
    """Remove the triggers, as the owner of the database can."""
    if is_postgres():
        for table in ("audit", "audit_detail"):
            db.execute_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        return
    names = db.execute_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        if name.startswith("audit"):
            db.execute_sql(f"DROP TRIGGER {name}")


def keep_columns() -> None:
    """Replace the SQLite table by one that stores the columns instead of computing them."""
    db.execute_sql("CREATE TABLE other AS SELECT * FROM audit")
    db.execute_sql("DROP TABLE audit")
    db.execute_sql("ALTER TABLE other RENAME TO audit")


def swap(first: int, other: int) -> None:
    """Exchange the texts of two entries, and leave their other columns."""
    bodies = {seq: AuditEntry.get_by_id(seq).body for seq in (first, other)}
    AuditEntry.update(body=bodies[other]).where(AuditEntry.seq == first).execute()
    AuditEntry.update(body=bodies[first]).where(AuditEntry.seq == other).execute()


def cut_off_after(seq: int) -> None:
    """Delete the entries after this one, and their rows beside the chain."""
    PrivateDetail.delete().where(PrivateDetail.seq > seq).execute()
    AuditEntry.delete().where(AuditEntry.seq > seq).execute()
