"""Build the SiteAgent zip for upload in wp-admin, reproducibly."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from app.protocol import b64u

SOURCE = Path(__file__).resolve().parents[2] / "wordpress-plugin" / "siteagent"
RELEASE_KEY_FILE = "release-key.pub"

# ZIP has no time before 1980; a fixed time makes the zip reproducible.
_MOMENT = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16
_HEADER = r"^ \* {}:[ \t]*(?P<value>\S+)"


def build_plugin_zip(source: Path = SOURCE, *, release_key: bytes | None = None) -> bytes:
    """Zip `source` under the folder name that WordPress expects, without hidden files.

    `release_key` is the Ed25519 public key with which updates of this copy have to be signed.
    Without one, it can only be updated by upload.

    Raises: FileNotFoundError if there is no plugin in `source`.
    """
    if not (source / "siteagent.php").is_file():
        raise FileNotFoundError(f"The plugin was not found in {source}")
    contents = {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in source.rglob("*")
        if path.is_file() and "/." not in f"/{path.relative_to(source).as_posix()}"
    }
    if release_key is not None:
        contents[RELEASE_KEY_FILE] = f"{b64u(release_key)}\n".encode()
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(contents):
            entry = ZipInfo(f"siteagent/{name}", _MOMENT)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = _FILE_MODE
            archive.writestr(entry, contents[name])
    return packed.getvalue()


def read_header(source: Path, name: str) -> str:
    """Return a header of siteagent.php, such as "Version".

    Raises: ValueError if it is missing.
    """
    text = (source / "siteagent.php").read_text("utf-8")
    found = re.search(_HEADER.format(re.escape(name)), text, re.MULTILINE)
    if found is None:
        raise ValueError(f"siteagent.php has no header {name!r}")
    return found["value"]
