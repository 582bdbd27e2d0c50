"""The plugin as a file to upload in wp-admin, the same bytes for the same sources."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

SOURCE = Path(__file__).resolve().parents[2] / "wordpress-plugin" / "siteagent"

# ZIP knows no time before 1980; one fixed time keeps the bytes equal everywhere.
_MOMENT = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16


def build_plugin_zip(source: Path = SOURCE) -> bytes:
    """Pack `source` under the directory name WordPress expects; hidden files stay out.

    Raises FileNotFoundError when there is no plugin to pack.
    """
    if not (source / "siteagent.php").is_file():
        raise FileNotFoundError(f"No plugin in {source}")
    files = sorted(path for path in source.rglob("*") if path.is_file())
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files:
            name = path.relative_to(source)
            if any(part.startswith(".") for part in name.parts):
                continue
            entry = ZipInfo(f"siteagent/{name.as_posix()}", _MOMENT)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = _FILE_MODE
            archive.writestr(entry, path.read_bytes())
    return packed.getvalue()
