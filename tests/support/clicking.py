"""Follow links and press buttons as they are on a page, and count the clicks."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from tests.support.browsers import Person


@dataclass
class _Button:
    text: str = ""
    name: str = ""
    value: str = ""
    action: str = ""


@dataclass
class _Form:
    method: str
    action: str
    values: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[_Button] = field(default_factory=list)


class _Page(HTMLParser):
    """Parse the links and forms of a page. Only a checked checkbox is sent."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.forms: list[_Form] = []
        self._href = ""
        self._text: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(attributes.get("method", "get"), attributes.get("action", "")))
        elif tag == "input" and self.forms and attributes.get("name"):
            is_choice = attributes.get("type") in ("checkbox", "radio")
            if not is_choice or "checked" in attributes:
                self.forms[-1].values.append((attributes["name"], attributes.get("value", "")))
        elif tag == "button" and self.forms:
            names = ("name", "value", "formaction")
            self.forms[-1].buttons.append(
                _Button("", *(attributes.get(name, "") for name in names))
            )
            self._text = []
        elif tag == "a":
            self._href, self._text = attributes.get("href", ""), []

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._text is None or tag not in ("a", "button"):
            return
        text = " ".join("".join(self._text).split())
        if tag == "a":
            self.links.append((text, self._href))
        else:
            self.forms[-1].buttons[-1].text = text
        self._text = None


class Clicker:
    """A person at a page, who follows links and presses buttons by their text."""

    def __init__(self, person: Person, path: str) -> None:
        self.person = person
        self.clicks = 0
        self.answer: Any = person.get(path)

    @property
    def text(self) -> str:
        return str(self.answer.text)

    def follow(self, text: str) -> None:
        """Click the first link whose text begins so."""
        page = _Page(self.text)
        self._open(next(href for words, href in page.links if words.startswith(text)))

    def press(self, text: str, **typed: str) -> None:
        """Press the first button whose text begins so, with what was typed before."""
        form, button = next(
            (form, button)
            for form in _Page(self.text).forms
            for button in form.buttons
            if button.text.startswith(text)
        )
        values = [value for value in form.values if value[0] not in typed]
        values += [*typed.items(), *([(button.name, button.value)] if button.name else [])]
        data: dict[str, list[str]] = {}
        for name, value in values:
            data.setdefault(name, []).append(value)
        self.clicks += 1
        action = button.action or form.action
        self.answer = self.person.post(action, data=data, follow_redirects=True)

    def _open(self, path: str) -> None:
        self.clicks += 1
        self.answer = self.person.get(path, follow_redirects=True)
