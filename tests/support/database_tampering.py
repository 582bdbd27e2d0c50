"""What the owner of a database can do to the audit log in it, guards or no guards."""

from __future__ import annotations

from app.models.audit import AuditEntry, PrivateDetail
from app.models.base import db, is_postgres


def without_guards() -> None:
    """As somebody who owns the database does it."""
    if is_postgres():
        for table in ("audit", "audit_detail"):
            db.execute_sql(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        return
    names = db.execute_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        if name.startswith("audit"):
            db.execute_sql(f"DROP TRIGGER {name}")


def keep_columns() -> None:
    """Put a SQLite table that keeps the columns in the place of the one that computes them."""
    db.execute_sql("CREATE TABLE other AS SELECT * FROM audit")
    db.execute_sql("DROP TABLE audit")
    db.execute_sql("ALTER TABLE other RENAME TO audit")


def swap(first: int, other: int) -> None:
    """Exchange what two entries say; everything else of them stays."""
    bodies = {seq: AuditEntry.get_by_id(seq).body for seq in (first, other)}
    AuditEntry.update(body=bodies[other]).where(AuditEntry.seq == first).execute()
    AuditEntry.update(body=bodies[first]).where(AuditEntry.seq == other).execute()


def cut_off_after(seq: int) -> None:
    """Without a trace beside the chain either."""
    PrivateDetail.delete().where(PrivateDetail.seq > seq).execute()
    AuditEntry.delete().where(AuditEntry.seq > seq).execute()
