"""The forms of a page, as a browser would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

TYPED = ("text", "email", "password", "search", "url", "date")


@dataclass
class Form:
    """A form: its target, its prefilled values, and its editable fields with their limits.

    `limits` holds 0 for a field without a limit.
    """

    method: str
    action: str
    values: dict[str, str] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(attributes.get("method", "get"), attributes.get("action", "")))
            self._is_inside = True
        elif tag in ("input", "textarea") and self._is_inside and attributes.get("name"):
            self._add(attributes, attributes.get("type", "text" if tag == "input" else "textarea"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False

    def _add(self, attributes: dict[str, str], kind: str) -> None:
        form, name = self.forms[-1], attributes["name"]
        if kind in ("checkbox", "radio") and "checked" not in attributes:
            return
        form.values.setdefault(name, attributes.get("value", ""))
        if (kind in TYPED or kind == "textarea") and "readonly" not in attributes:
            form.limits[name] = 10 if kind == "date" else int(attributes.get("maxlength", 0))


def forms_of(html: str) -> list[Form]:
    """Return every form of the page with an editable field."""
    reader = _Reader()
    reader.feed(html)
    return [form for form in reader.forms if form.limits]
