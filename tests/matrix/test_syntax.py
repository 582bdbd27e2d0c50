"""Every supported PHP compiles every file of the plugin without a warning."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.matrix import phps
from tests.matrix.phps import PhpVersion
from tests.support.selection import nightly

_ROOT = Path(__file__).parents[2]
_PLUGIN = _ROOT / "wordpress-plugin" / "siteagent"
_COMPILE = Path(__file__).with_name("compile.php")


@pytest.fixture(scope="module", autouse=True)
def _fetched() -> None:
    phps.install()


def compiled(php: PhpVersion, files: list[Path]) -> subprocess.CompletedProcess[str]:
    command = php.command("-d", "opcache.enable_cli=1", str(_COMPILE), *(str(one) for one in files))
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "php", [*nightly(*phps.WEBASSEMBLY[1:-1]), phps.OLDEST, phps.NEWEST], ids=str
)
def test_every_file_of_the_plugin_compiles(php: PhpVersion) -> None:
    files = sorted(_PLUGIN.rglob("*.php"))
    done = compiled(php, files)
    assert (done.stdout, done.stderr, done.returncode) == (str(len(files)), "", 0)


@pytest.mark.parametrize(
    ("code", "since"),
    [
        ("fn(int|string $x) => match (true) { default => $x };", "8.0"),
        ("enum Suit { case Hearts; }", "8.1"),
        ("function {", "never"),
        ("function f(int $x = null) {}", "7.4 to 8.3"),
    ],
)
def test_a_file_for_other_versions_is_found(tmp_path: Path, code: str, since: str) -> None:
    """Without this one the test above could pass because nothing is compiled."""
    path = tmp_path / "probe.php"
    path.write_text(f"<?php {code}\n")
    first, _, last = since.partition(" to ")
    for php in (phps.OLDEST, phps.NEWEST):
        done = compiled(php, [path])
        is_for = first <= php.name and (not last or php.name <= last)
        assert (done.stderr == "") is is_for, f"{php}: {done.stderr}"


def test_the_oldest_php_is_the_required_one() -> None:
    header = (_PLUGIN / "siteagent.php").read_text("utf-8")
    required = re.search(r"Requires PHP:\s+(\S+)", header)
    assert required is not None
    assert required[1] == phps.OLDEST.name


@pytest.mark.nightly
def test_each_php_has_the_version_of_its_name() -> None:
    for php in phps.WEBASSEMBLY:
        output = subprocess.run(
            php.command("-r", "echo PHP_VERSION, ' ', (int) extension_loaded('sodium');"),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert output.startswith(f"{php.name}.")
        assert output.endswith(" 0")


def test_the_lock_file_names_no_registry() -> None:
    """A registry in the file would be that of one machine. Each machine uses its own."""
    assert '"resolved"' not in (Path(__file__).parent / "package-lock.json").read_text("utf-8")
