"""Find files that a plugin or theme seldom needs, and that attackers like. Pure."""

from __future__ import annotations

import re

from app.code_look import tokens
from app.visible_text import is_visible

# PHP named like a file of WordPress itself: in April 2026, backdoors were.
CORE_NAME = "core_name"
# PHP among images, fonts, styles, translations or uploads.
PHP_PLACE = "php_place"
# PHP in what claims to be an image or a font.
HIDDEN_PHP = "hidden_php"
# It changes how the web server or PHP treats other files.
SERVER_CONFIG = "server_config"
# A name with characters that are not seen, or that reverse others.
ODD_NAME = "odd_name"
PROGRAM = "program"
ARCHIVE = "archive"
DOTFILE = "dotfile"
CODES = (
    CORE_NAME, PHP_PLACE, HIDDEN_PHP, SERVER_CONFIG, ODD_NAME, PROGRAM, ARCHIVE, DOTFILE,
)  # fmt: skip
# Those that a person has to see before the release is installed.
WARNINGS = (CORE_NAME, PHP_PLACE, HIDDEN_PHP, SERVER_CONFIG, ODD_NAME)

# Files of WordPress outside of the patterns below.
_CORE_FILES = frozenset(
    {"admin-ajax.php", "admin-post.php", "load-scripts.php", "load-styles.php", "xmlrpc.php"}
)
_LIKE_CORE = re.compile(r"(?:class-)?wp-.+")
_PHP = re.compile(r".+\.(?:php[0-9]?|pht|phtml)")
_MEDIA = re.compile(
    r".+\.(?:avif|bmp|eot|gif|ico|jpe?g|mp[34]|otf|pdf|png|svg|ttf|wasm|webp|woff2?)"
)
_PROGRAMS = re.compile(
    r".+\.(?:bash|bat|bin|cgi|cmd|com|dll|dylib|exe|jar|msi|phar|pl|ps1|py|rb|scr|sh|so)"
)
_ARCHIVES = re.compile(r".+\.(?:7z|bz2|gz|rar|tar|tgz|xz|zip)")
_SERVER_CONFIGS = frozenset({".htaccess", ".user.ini", "php.ini", "web.config"})
_MAGIC = {b"\x7fELF": PROGRAM, b"MZ\x90\x00": PROGRAM, b"PK\x03\x04": ARCHIVE}
_OPENED = re.compile(rb"<\?php\s", re.IGNORECASE)

# Folders for what browsers load. The first name counts at the top of a package, the second also
# anywhere below such a folder: `src/Fonts/Loader.php` is ordinary.
_STATIC_FOLDERS = frozenset(
    {"assets", "css", "fonts", "icons", "images", "img", "languages", "media", "uploads"}
)
_STATIC_PARENTS = _STATIC_FOLDERS | {"build", "dist", "public", "resources", "static"}

# Files that only return data: translations, and the dependencies of scripts that build tools write.
_DATA_WORDS = frozenset(
    {
        b"return", b"array", b"true", b"false", b"null", b"if", b"defined", b"exit", b"die",
        b"declare", b"strict_types", b"__", b"_x", b"_n", b"esc_html__", b"esc_attr__",
    }
)  # fmt: skip
_MAX_DATA_BYTES = 1024 * 1024


def oddities(path: str, content: bytes, slug: str) -> list[str]:
    """Return the codes of what is odd about a file of the plugin or theme `slug`."""
    *folders, name = path.lower().split("/")
    is_php = _PHP.fullmatch(name) is not None
    found = {
        CORE_NAME: is_php and _is_like_core(name, slug.lower()),
        PHP_PLACE: is_php and _is_static(folders) and not is_data(content),
        HIDDEN_PHP: _MEDIA.fullmatch(name) is not None and _OPENED.search(content) is not None,
        SERVER_CONFIG: name in _SERVER_CONFIGS,
        ODD_NAME: not all(map(is_visible, path)),
        PROGRAM: _PROGRAMS.fullmatch(name) is not None or _magic(content) == PROGRAM,
        ARCHIVE: _ARCHIVES.fullmatch(name) is not None or _magic(content) == ARCHIVE,
        DOTFILE: name not in _SERVER_CONFIGS and any(one[:1] == "." for one in (*folders, name)),
    }
    return [code for code, is_so in found.items() if is_so]


def is_php_file(path: str) -> bool:
    """Whether a server runs a file of this name as PHP."""
    return _PHP.fullmatch(path.lower().rpartition("/")[2]) is not None


def is_data(content: bytes) -> bool:
    """Whether a PHP file does nothing but return values, or is empty but for comments."""
    if len(content) > _MAX_DATA_BYTES:
        return False
    for token in tokens(content):
        if token.kind in ("variable", "shell", "heredoc") or token.value in (b"$", b"->", b"::"):
            return False
        if token.kind == "html" and token.value.strip():
            return False
        if token.kind == "word" and token.value.lower() not in _DATA_WORDS:
            return False
    return True


def _is_like_core(name: str, slug: str) -> bool:
    """Whether a name is one of WordPress's, or looks like one, and not like the plugin's own."""
    return name in _CORE_FILES or (_LIKE_CORE.fullmatch(name) is not None and slug not in name)


def _is_static(folders: list[str]) -> bool:
    top = folders[:1]
    if top and top[0] in _STATIC_FOLDERS:
        return True
    return bool(top) and top[0] in _STATIC_PARENTS and not _STATIC_FOLDERS.isdisjoint(folders)


def _magic(content: bytes) -> str:
    return _MAGIC.get(content[:4], "")
