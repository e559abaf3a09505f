"""The forms and links of a page, as a browser without JavaScript finds them."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Form", "PageReader", "without_ids"]

_ID = re.compile(r"/(?=[^/]*[0-9.%])[^/]+")


def without_ids(path: str) -> str:
    """Return what the addresses of the same page of other things have in common."""
    return _ID.sub("/*", path)


@dataclass
class Form:
    """What a form would send, and where."""

    action: str
    method: str
    pairs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    buttons: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """The name and value of each button, and its own action."""

    @property
    def shape(self) -> tuple[object, ...]:
        """What forms have in common that differ in nothing but their ids and their data."""
        names = frozenset(name for name, _ in self.pairs if not set(name) & set(":/"))
        pressed = frozenset((name, value.partition(":")[0]) for name, value, _ in self.buttons)
        return self.kind, self.method, names, pressed

    @property
    def kind(self) -> str:
        """Its action, without ids."""
        return without_ids(self.action)


class PageReader(HTMLParser):
    """Reads a page: its links, its forms, and every tag and attribute that it consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._form: Form | None = None
        self._select = self._area = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes.update(found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "form":
            self._form = Form(found.get("action", ""), found.get("method", "get").upper())
            self.forms.append(self._form)
        elif self._form is not None:
            self._read_control(self._form, tag, found)

    def _read_control(self, form: Form, tag: str, found: dict[str, str]) -> None:
        name, value = found.get("name", ""), found.get("value", "")
        if tag == "button" or found.get("type") == "submit":
            if found.get("type") != "button":
                form.buttons.append((name, value, found.get("formaction", "")))
        elif tag == "input" and name:
            form.pairs.append((name, value))
        elif tag == "select":
            self._select = name
            form.pairs.append((name, ""))
        elif tag == "option" and self._select and "selected" in found:
            form.pairs[-1] = (self._select, value)
        elif tag == "textarea":
            self._area = name
            form.pairs.append((name, ""))

    def handle_data(self, data: str) -> None:
        if self._area and self._form is not None:
            name, text = self._form.pairs[-1]
            self._form.pairs[-1] = (name, text + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""
