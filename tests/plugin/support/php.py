"""Call the plugin's pure classes in a PHP process (drive.php)."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

DRIVE = Path(__file__).parents[2] / "php-fixtures" / "drive.php"


class Refused(Exception):
    """The plugin refused; `code` is its error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Php:
    """One PHP process for many calls; a PHP notice or warning ends it with a failure."""

    def __init__(self, command: list[str] | None = None) -> None:
        self._process = subprocess.Popen(
            command or [system_php(), "-d", "display_errors=stderr", str(DRIVE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, what: str, **question: Any) -> Any:
        """Call an action of drive.php and return its result. Raises Refused."""
        encoded = {
            f"{name}_b64" if isinstance(value, bytes) else name: (
                b64(value) if isinstance(value, bytes) else value
            )
            for name, value in question.items()
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **encoded}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self.close())
        answer = json.loads(line)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["ok"]

    def close(self) -> str:
        """End the process; return PHP's error output."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(30)
        with self._process.stdout, self._process.stderr:
            return self._process.stderr.read()


def system_php() -> str:
    found = shutil.which("php")
    assert found, "These tests need PHP on the command line; `make prepare` installs it."
    return found


def b64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")
