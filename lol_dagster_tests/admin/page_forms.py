"""A page's form as a browser would send it: what is filled in, and what a person changes of it."""

from __future__ import annotations

from html.parser import HTMLParser


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self._inside = False
        self._in_template = False
        self._select: tuple[str, list[str], list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = "form" in have.get("class", "").split()
        if tag == "template":
            self._in_template = True
        if not self._inside or self._in_template:
            return
        if tag == "input" and have.get("name"):
            kind = have.get("type", "text")
            if kind not in {"checkbox", "radio"} or "checked" in have:
                self.values.setdefault(have["name"], []).append(have.get("value", ""))
        elif tag == "select":
            self._select = (have["name"], [], [])
        elif tag == "option" and self._select:
            self._select[1].append(have.get("value", ""))
            if "selected" in have:
                self._select[2].append(have.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "template":
            self._in_template = False
        elif tag == "select" and self._select:
            name, every, selected = self._select
            self.values[name] = selected or every[:1]
            self._select = None


def filled_in(page: str, **changed: str | list[str] | None) -> dict[str, list[str]]:
    """What the page's form would send.

    Args:
        changed: Field → what is typed or chosen instead; None: a box that is cleared. A `-` in a
            field's name is `__` here.
    """
    reader = _Reader()
    reader.feed(page)
    values = reader.values
    for name, value in changed.items():
        field = name.replace("__", "-")
        if value is None:
            values.pop(field, None)
        else:
            values[field] = [value] if isinstance(value, str) else value
    return values
