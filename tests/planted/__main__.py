"""Plant each fault in a copy of this commit and see whether the tests find it.

    python -m tests.planted [number ...]

First the tests that `make test` selects run on it, then, where these find nothing, all of them
(`--all`). Prints a table; ends with 1 if a fault that all tests find escapes `make test`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.planted.faults import FAULTS, Fault

_ROOT = Path(__file__).parents[2]
_LIMIT_S = 1200


def main(numbers: list[int]) -> int:
    escaped = 0
    with tempfile.TemporaryDirectory(prefix="aura-planted-") as folder:
        copy = Path(folder) / "copy"
        _git("worktree", "add", "--quiet", "--detach", str(copy), "HEAD")
        try:
            (copy / ".venv").symlink_to((_ROOT / ".venv").resolve())
            for number, fault in enumerate(FAULTS, 1):
                if numbers and number not in numbers:
                    continue
                found = _found_by(copy, fault)
                escaped += found == "make test-all"
                print(f"{number:2}  {found:14}  {fault.name}", flush=True)
        finally:
            _git("worktree", "remove", "--force", str(copy))
    return 1 if escaped else 0


def _found_by(copy: Path, fault: Fault) -> str:
    """Name the smallest selection of tests that fails with this fault, or "nothing"."""
    target = copy / fault.path
    right = target.read_text("utf-8")
    if right.count(fault.before) != 1:
        raise SystemExit(f"{fault.path} does not hold this text exactly once:\n{fault.before}")
    target.write_text(right.replace(fault.before, fault.after), "utf-8")
    try:
        for name, options in (("make test", []), ("make test-all", ["--all"])):
            if _fails(copy, [*fault.tests.split(), *options]):
                return name
    finally:
        target.write_text(right, "utf-8")
    return "nothing"


def _fails(copy: Path, arguments: list[str]) -> bool:
    command = [".venv/bin/python", "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *arguments], cwd=copy, capture_output=True, text=True, timeout=_LIMIT_S
    )
    # 0: all passed; 1: a test failed. Anything else would be an error of this program.
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.returncode == 1


def _git(*words: str) -> None:
    subprocess.run(["git", *words], cwd=_ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]]))
