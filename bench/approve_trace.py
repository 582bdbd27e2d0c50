"""Print what one click on *Approve* passes through: `python -m bench.approve_trace`.

Lists every function under app/ that runs from the POST until its transaction is committed and
the job is enqueued, in the order of their first call.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.factory import create_app
from app.models import migrate
from app.models.base import db, utcnow
from app.models.changes import APPROVED, Change
from tests.support.browsers import Person, signed_in
from tests.support.config import make_config
from tests.support.factories import (
    check,
    make_site,
    make_user,
    pair,
    propose,
    read_report,
    report,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue

_APP = Path(__file__).parent.parent / "app"


def main() -> int:
    """Print each file with its functions, and how many of both there are."""
    functions = trace()
    by_file: dict[str, list[str]] = {}
    for file, function in functions:
        by_file.setdefault(file, []).append(function)
    for file, names in by_file.items():
        print(f"{file}: {', '.join(names)}")
    above = [file for file, _ in functions if not file.startswith("app/models/")]
    print(f"{len(set(above))} files, {len(above)} functions before the database")
    print(f"{len(by_file)} files, {len(functions)} functions with app/models/")
    return 0


def trace() -> list[tuple[str, str]]:
    """Approve one change in a database of its own; returns file and name of each function."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        config = make_config(Path(folder))
        browser, change = _proposed(config)
        path, form = f"/changes/{change.id}", {"digest": change.digest}
        browser.get(path)
        browser.token()
        found: dict[tuple[str, str], None] = {}
        with _recorded(found):
            browser.post(
                f"{path}/approve", data=form, headers={"Referer": f"http://localhost{path}"}
            )
        if Change.get_by_id(change.id).state != APPROVED:
            raise RuntimeError("the change was not approved")
        db.close()
    return list(found)


def _proposed(config: Config) -> tuple[Person, Change]:
    """Return a browser in which Ana has just signed in, and a change that she can approve."""
    migrate.to_newest(config.database_url, config.var_dir)
    app = create_app(config)
    app.test_client_class = Person
    queue.use(RecordingQueue())
    db.connect()
    ana = Actor.of(make_user("Ana", "owner"), "192.0.2.1")
    ben = Actor.of(make_user("Ben", "operator"), "192.0.2.2")
    clock = Clock(utcnow())
    site = make_site(ana, now=clock())
    fake = FakeSite(site.url, clock, report())
    pair(site, fake, by=ana, config=config)
    read_report(site, fake, config=config)
    change = check(propose(site, ben, clock()), fake, config)
    return signed_in(app, ana), change


@contextmanager
def _recorded(found: dict[tuple[str, str], None]) -> Iterator[None]:
    """Keep the functions under app/ that this thread calls until it enqueues a job."""

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        path = Path(code.co_filename)
        if event == "call" and path.is_relative_to(_APP) and not code.co_name.startswith("<"):
            found[str(path.relative_to(_APP.parent)), code.co_qualname] = None
            if code is queue.enqueue.__code__:
                sys.setprofile(None)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


if __name__ == "__main__":
    sys.exit(main())
