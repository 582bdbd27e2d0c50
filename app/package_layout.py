"""What the package of a component contains, and which of it WordPress installs. Pure.

The twin of class-siteagent-package-layout.php (docs/PROTOCOL.md 3.6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CORE_FOLDER = "wordpress"

# Of these plugins, themes and translations, WordPress installs the translations.
_CONTENT = b"wp-content/"
_LANGUAGES = b"wp-content/languages/"
# The texts of WordPress itself are in several files; those for scripts end in a hash.
_CORE_PARTS = rb"(?:(?:admin|admin-network|continents-cities)-)?"
_EXTENSIONS = rb"(?:-[0-9a-f]{32}\.json|\.po|\.mo|\.l10n\.php)"


@dataclass(frozen=True)
class Layout:
    """One folder, whose name may be given; or the files of a translation, without a folder."""

    folder: bytes | None = None
    translation: re.Pattern[bytes] | None = None
    is_core: bool = False

    def is_installed(self, path: bytes) -> bool:
        """Whether an update leaves this file on the disk; `path` is below the folder."""
        return not self.is_core or not path.startswith(_CONTENT) or path.startswith(_LANGUAGES)


# A plugin or theme.
ONE_FOLDER = Layout()


def layout_of(kind: str, ident: str) -> Layout:
    """Return how the packages of a component are laid out."""
    if kind == "core":
        return Layout(folder=CORE_FOLDER.encode(), is_core=True)
    if kind == "translation":
        name = re.escape(translation_name(ident)).encode()
        parts = _CORE_PARTS if ident.startswith("core:") else b""
        return Layout(translation=re.compile(parts + name + _EXTENSIONS))
    return ONE_FOLDER


def translation_name(ident: str) -> str:
    """Return the name of a translation's files, without an extension.

    `ident` is the type, the slug and the locale, as in "plugin:akismet:de_DE".
    """
    kind, slug, locale = ident.split(":")
    return locale if kind == "core" else f"{slug}-{locale}"
