"""What people read is written in plain language: no word of a short list appears in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = (
    "somebody", "nobody", "whoever", "stands", "anew", "mend", "borne out", "for good",
    "by itself", "tells", "told", "wish", "taken back", "anyhow", "lies",
)  # fmt: skip
_ANY = "|".join(FORBIDDEN).replace(" ", r"\s+")
_FORBIDDEN = re.compile(rf"\b(?:{_ANY})\b", re.IGNORECASE)

# A file, a forbidden word in it, and why no other word fits.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def markdown_text(source: str) -> str:
    """Return Markdown without code, inline or in blocks, and without addresses of links."""
    without_blocks = re.sub(r"^```.*?^```", "", source, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", without_blocks)


def template_text(source: str) -> str:
    """Return the text of a Jinja template, its labels and its string literals, without names."""
    without_comments = re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)
    expressions = re.findall(r"\{[{%].*?[}%]\}", without_comments, flags=re.DOTALL)
    literals = [text for one in expressions for text in re.findall(r'"([^"]*)"', one)]
    labels = re.findall(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"', without_comments)
    plain = re.sub(r"\{[{%].*?[}%]\}|<[^>]*>", " ", without_comments, flags=re.DOTALL)
    return "\n".join([plain, *labels, *literals])


def php_text(source: str) -> str:
    """Return the translatable strings of a PHP file, which are all that people read of it."""
    literal = r"'((?:[^'\\]|\\.)*)'"
    function = r"\b(?:esc_(?:html|attr)_[_ex]|_{1,2}[enx]{0,2})"
    call = rf"{function}\(\s*{literal}(?:,\s*{literal})?"
    return "\n".join("\n".join(one) for one in re.findall(call, source))


def json_text(source: str) -> str:
    """Return the texts in a JSON document."""
    return "\n".join(re.findall(r'"((?:[^"\\]|\\.)*)"', source))


def python_text(source: str) -> str:
    """Return the docstrings and other sentences of a Python file: strings that hold a space."""
    strings = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return "\n".join(text for text in strings if isinstance(text, str) and " " in text)


def python_messages(source: str) -> str:
    """Return the sentences of a Python file that are no docstrings: strings that hold a space."""
    tree = ast.parse(source)
    blocks = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = (node.body[0] for node in ast.walk(tree) if isinstance(node, blocks) and node.body)
    docstrings = {id(one.value) for one in first if isinstance(one, ast.Expr)}
    strings = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in docstrings
    )
    return "\n".join(text for text in strings if isinstance(text, str) and " " in text)


# Sets of files that are held to plain language, and how their text is read.
FILE_SETS: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "documentation": (("docs/*.md", "*.md"), markdown_text),
    "pages": (("app/templates/**/*.html", "app/templates/**/*.txt"), template_text),
    "messages": (("app/**/*.py", "jobs/*.py"), python_messages),
    "command line": (("app/cli.py", "app/verifier/*.py"), python_text),
    "wp-admin": (("wordpress-plugin/siteagent/**/*.php",), php_text),
    "readme.txt": (("wordpress-plugin/siteagent/readme.txt",), markdown_text),
    "manifest.json": (("wordpress-plugin/siteagent/manifest.json",), json_text),
}


def forbidden_words(text: str) -> list[str]:
    """Return the forbidden words in `text`, in lower case and in order."""
    return [re.sub(r"\s+", " ", word.lower()) for word in _FORBIDDEN.findall(text)]


def files_of(patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(ROOT.glob(pattern))


@cache
def found() -> set[tuple[str, str]]:
    """Return each file of the table with each forbidden word in it."""
    return {
        (path.relative_to(ROOT).as_posix(), word)
        for patterns, text_of in FILE_SETS.values()
        for path in files_of(patterns)
        for word in forbidden_words(text_of(path.read_text("utf-8")))
    }


def test_no_forbidden_word_is_used() -> None:
    assert found() - set(EXCEPTIONS) == set()


def unjustified(
    exceptions: dict[tuple[str, str], str], needed: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return the exceptions that no file needs any more, and those without a reason."""
    return {one for one, why in exceptions.items() if one not in needed or not why}


def test_every_exception_has_a_reason_and_is_still_needed() -> None:
    assert unjustified(EXCEPTIONS, found()) == set()


def test_an_exception_without_a_reason_or_a_need_is_found() -> None:
    kept, bare, old = ("a.md", "wish"), ("a.md", "told"), ("b.md", "wish")
    assert unjustified({kept: "a quotation", bare: "", old: "x"}, {kept, bare}) == {bare, old}


@pytest.mark.parametrize("name", FILE_SETS)
def test_every_set_has_files(name: str) -> None:
    assert list(files_of(FILE_SETS[name][0]))


@pytest.mark.parametrize("word", FORBIDDEN)
def test_each_forbidden_word_is_found_in_a_sentence(word: str) -> None:
    assert forbidden_words(f"It is {word.capitalize()}, so\nto say.") == [word]


def test_a_phrase_is_found_across_lines() -> None:
    assert forbidden_words("It is gone for\ngood.") == ["for good"]


def test_parts_of_words_are_not_found() -> None:
    assert forbidden_words("It understands recommended applies, and is retold.") == []


@pytest.mark.parametrize(
    ("text_of", "source", "words"),
    [
        (markdown_text, "Nobody `told()` you.\n```\nwhoever\n```\n[a](lies.md)", ["nobody"]),
        (
            template_text,
            '{# wish #}<p class="anew" title="It stands">It {{ told }} lies.</p>{{ b("Mend it") }}',
            ["lies", "stands", "mend"],
        ),
        (php_text, "$told = esc_html__( 'Somebody said', 'siteagent' ); // anew", ["somebody"]),
        (php_text, "<?php esc_html_e( 'It lies.', 'siteagent' ); ?>", ["lies"]),
        (json_text, '{"path": "x", "why": "Nobody knows."}', ["nobody"]),
        (php_text, "_n( 'It stands.', 'They are told.', $wish, 'siteagent' )", ["stands", "told"]),
        (python_text, 'def told():\n    """Say it anew."""\n    wish("stands")', ["anew"]),
        (
            python_messages,
            '"""Stands."""\ndef told():\n    """Say it anew."""\n    wish("It lies")',
            ["lies"],
        ),
    ],
)
def test_only_visible_text_is_checked(
    text_of: Callable[[str], str], source: str, words: list[str]
) -> None:
    assert forbidden_words(text_of(source)) == words
