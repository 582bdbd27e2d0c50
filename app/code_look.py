"""Look at PHP and JavaScript without running it: what it connects to, schedules and calls. Pure.

A tokenizer that reads each byte once, not a parser: it separates code from comments and strings, as
https://www.php.net/manual/en/language.basic-syntax.php describes. It finds what is written down.
Code that builds a name while it runs is not found.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

# Kinds of what a file can name.
HOST = "host"
CRON_HOOK = "cron_hook"
REST_ROUTE = "rest_route"
CAPABILITY = "capability"
OPEN_AJAX = "open_ajax"
KINDS = (HOST, CRON_HOOK, REST_ROUTE, CAPABILITY, OPEN_AJAX)

MAX_VALUE_CHARS = 200
# In place of what is not written as one string.
UNKNOWN = "…"

# Functions that run code, start programs, or are used to hide what a file does.
NOTABLE_CALLS = frozenset(
    {
        "assert", "base64_decode", "create_function", "eval", "exec", "gzinflate", "gzuncompress",
        "passthru", "pcntl_exec", "popen", "proc_open", "shell_exec", "str_rot13", "system",
    }
)  # fmt: skip
BACKTICKS = "`…`"

# What names something, and which of its arguments do.
_NAMING_CALLS: dict[str, tuple[str, tuple[int, ...]]] = {
    "wp_schedule_event": (CRON_HOOK, (2,)),
    "wp_schedule_single_event": (CRON_HOOK, (1,)),
    "register_rest_route": (REST_ROUTE, (0, 1)),
    "add_cap": (CAPABILITY, (0,)),
    "add_role": (CAPABILITY, (0,)),
}
_OPEN_AJAX_HOOK = "wp_ajax_nopriv_"
# After these, a name followed by a parenthesis is no call of a function. Methods of these names
# are counted with _NAMING_CALLS, because roles and users have add_cap().
_DECLARES = (b"function", b"new")
_METHOD = (b"->", b"?->", b"::")

# How much of one file is read further: calls whose arguments are read, and tokens of each.
_MAX_NAMING_CALLS = 2000
_MAX_ARGUMENT_TOKENS = 60
# Names of formats, not servers that anything connects to.
_NO_SERVERS = frozenset({"www.w3.org", "schema.org"})

_OPEN_TAG = re.compile(rb"<\?(?:php\b|=|(?!xml))", re.IGNORECASE)
_TOKEN = re.compile(
    rb"""
      (?P<end> \?> )
    | (?P<comment> (?: // | \#(?!\[) ) (?: (?!\?>) [^\r\n] )*+ | /\* .*? (?: \*/ | \Z ) )
    | (?P<heredoc> <<<[ \t]*+ ["']? (?P<label> [A-Za-z_\x80-\xff][\w\x80-\xff]*+ ) ["']? \r?\n
        .*? (?: \n[ \t]*+ (?P=label) \b | \Z ) )
    | (?P<text> ' [^'\\]*+ (?: \\ (?: . | \Z ) [^'\\]*+ )*+ (?: ' | \Z )
              | " [^"\\]*+ (?: \\ (?: . | \Z ) [^"\\]*+ )*+ (?: " | \Z ) )
    | (?P<shell> ` [^`\\]*+ (?: \\ (?: . | \Z ) [^`\\]*+ )*+ (?: ` | \Z ) )
    | (?P<variable> \$ [A-Za-z_\x80-\xff][\w\x80-\xff]*+ )
    | (?P<word> [\\A-Za-z_\x80-\xff][\\\w\x80-\xff]*+ )
    | (?P<number> [0-9][\w.]*+ )
    | (?P<mark> \?->|->|::|[()\[\]{},;.$] )
    """,
    re.VERBOSE | re.DOTALL,
)
_URL = re.compile(rb"https?:\\?/\\?/([A-Za-z0-9.-]{3,253})", re.IGNORECASE)
_QUOTED_URL = re.compile(rb"[\"'`]https?:\\?/\\?/([A-Za-z0-9.-]{3,253})", re.IGNORECASE)


class Token(NamedTuple):
    """A part of PHP code: the name of a group of `_TOKEN`, or `html` for what is outside of it."""

    kind: str
    value: bytes
    end: int


@dataclass
class Look:
    """What files name, by kind, and how often they call functions of NOTABLE_CALLS."""

    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    calls: Counter[str] = field(default_factory=Counter)
    is_complete: bool = True


def look_at_php(source: bytes) -> Look:
    """Return what PHP code names and calls."""
    look, before, last, arguments_read = Look(), Token("", b"", 0), Token("", b"", 0), 0
    for token in tokens(source):
        if token.kind in ("text", "heredoc", "html"):
            look.names[HOST] |= _hosts(_URL, token.value)
            value = _string_of(token)
            if value.startswith(_OPEN_AJAX_HOOK):
                look.names[OPEN_AJAX].add(value.removeprefix(_OPEN_AJAX_HOOK) or UNKNOWN)
        elif token.kind == "shell":
            look.calls[BACKTICKS] += 1
        elif token.value == b"(" and last.kind == "word" and before.value.lower() not in _DECLARES:
            name = last.value.rpartition(b"\\")[2].decode("latin-1").lower()
            if name in NOTABLE_CALLS and before.value not in _METHOD:
                look.calls[name] += 1
            elif name in _NAMING_CALLS:
                arguments_read += 1
                look.is_complete &= arguments_read <= _MAX_NAMING_CALLS
                if look.is_complete:
                    kind, positions = _NAMING_CALLS[name]
                    look.names[kind].add(_joined(_arguments(source, token.end), positions))
        before, last = last, token
    return look


def look_at_javascript(source: bytes) -> Look:
    """Return the servers that JavaScript names in strings that begin with an address."""
    return Look({HOST: _hosts(_QUOTED_URL, source)})


def tokens(source: bytes, begin: int = -1) -> Iterator[Token]:
    """Yield the parts of a PHP file without comments; from `begin`, which is within code."""
    at = max(begin, 0)
    is_code = begin >= 0
    while at < len(source):
        if not is_code:
            opening = _OPEN_TAG.search(source, at)
            yield Token("html", source[at : opening.start() if opening else None], at)
            if opening is None:
                return
            at = opening.end()
        is_code, begin, at = False, at, len(source)
        for found in _TOKEN.finditer(source, begin):
            kind = found.lastgroup or ""
            if kind == "end":
                at = found.end()
                break
            if kind != "comment":
                yield Token("heredoc" if kind == "label" else kind, found[0], found.end())


def _arguments(source: bytes, begin: int) -> list[list[Token]]:
    """Return the arguments of a call whose parenthesis has just been opened."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in islice(tokens(source, begin), _MAX_ARGUMENT_TOKENS):
        if token.value in (b"(", b"[", b"{"):
            depth += 1
        elif token.value in (b")", b"]", b"}"):
            depth -= 1
        if depth < 0:
            break
        if token.value == b"," and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return found


def _joined(arguments: list[list[Token]], positions: tuple[int, ...]) -> str:
    parts = [_written(arguments[at]) if at < len(arguments) else UNKNOWN for at in positions]
    return "/".join(part.strip("/") for part in parts)[:MAX_VALUE_CHARS]


def _written(argument: list[Token]) -> str:
    """Return the string that an argument consists of, or begins with."""
    begins = _string_of(argument[0]) if argument else ""
    return begins if begins and len(argument) == 1 else f"{begins}{UNKNOWN}"


def _string_of(token: Token) -> str:
    if token.kind != "text":
        return ""
    quote = token.value[:1]
    raw = token.value[1:].removesuffix(quote)[: 4 * MAX_VALUE_CHARS]
    return raw.decode("utf-8", "replace")[:MAX_VALUE_CHARS]


def _hosts(pattern: re.Pattern[bytes], text: bytes) -> set[str]:
    found = {one.decode("ascii").lower().strip(".-") for one in pattern.findall(text)}
    return {one for one in found if "." in one and one not in _NO_SERVERS}
