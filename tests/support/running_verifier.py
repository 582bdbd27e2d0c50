"""Run verify_audit.py as a third party does: offline, and in a sandbox that reports violations."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from tests.support import audit_log_exports as exports
from tests.support.audit_log_exports import VERIFIER, Files

# Ends the program at any action that its docstring excludes. This needs no privileges, so it also
# works where the network cannot be removed.
_WATCHED = """
import runpy, sys
def watch(event, args):
    is_writing = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if event.split(".")[0] in ("socket", "subprocess", "os", "shutil", "urllib") and event not in (
        "os.scandir", "os.listdir", "os.putenv"
    ) or is_writing:
        print("FORBIDDEN", event, args, file=sys.stderr, flush=True)
        raise SystemExit(99)
program = sys.argv[1]
sys.argv = sys.argv[1:]
sys.addaudithook(watch)
runpy.run_path(program, run_name="__main__")
"""


@dataclass(frozen=True)
class Verdict:
    status: int
    output: str


@cache
def without_network() -> tuple[str, ...]:
    """Return a command prefix that removes the network; empty where that is not allowed."""
    command = (shutil.which("unshare") or "false", "--net", "--map-root-user")
    allowed = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if allowed else ()


def verify(path: Path, *arguments: str, python: str = sys.executable) -> Verdict:
    """Run the verifier on `path`. A traceback or a forbidden action fails the test."""
    done = subprocess.run(
        [*without_network(), python, "-I", "-c", _WATCHED, str(VERIFIER), str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == "" or "usage:" in done.stderr, done.stderr
    assert done.returncode in (0, 1, 2), done.returncode
    return Verdict(done.returncode, done.stdout)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_audit", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_audit"] = module
    spec.loader.exec_module(module)
    return module


program = load()


def judge(files: Files, folder: Path, kept: dict[str, str] | None = None) -> list[str]:
    """Return the problems that the verifier finds. Quick enough for hundreds of examples."""
    path = exports.write_zip(files, folder / "export.zip")
    checkpoint = folder / "kept.json"
    checkpoint.write_text(json.dumps(kept))
    try:
        wrong, _ = program.check(str(path), str(checkpoint) if kept else None)
    except (program.Misfit, program.Unreadable) as why:
        return [str(why)]
    return wrong
