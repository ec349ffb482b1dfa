"""Pages as a reader sees them, by their markup."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "br", "path", "hr"}


@dataclass
class Element:
    """An element of a page."""

    name: str
    attributes: dict[str, str | None]
    children: "list[Element | str]" = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it."""
        parts = (each if isinstance(each, str) else each.text for each in self.children)
        return " ".join(" ".join(parts).split())

    def all(self, *names: str) -> "list[Element]":
        """The elements of some names in it, in order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] if child.name in names else []
                found += child.all(*names)
        return found


class Page(HTMLParser):
    """A page's elements; a tag that is not closed where it must be fails."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Go into an element."""
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that has nothing in it."""
        self._open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag in VOID:
            return
        while self._open[-1].name in ("li", "option", "p", "td", "th", "tr", "dd", "dt") and (
            self._open[-1].name != tag
        ):
            self._open.pop()
        assert self._open[-1].name == tag, f"</{tag}> closes <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """Note text."""
        self._open[-1].children.append(data)

    def by_id(self, name: str) -> Element:
        """The element of an id, of which there is one."""
        [found] = [each for each in self._all(self.root) if each.attributes.get("id") == name]
        return found

    def rows(self, table: str) -> list[list[str]]:
        """The texts of a table's cells."""
        return [[cell.text for cell in row.all("td", "th")] for row in self.by_id(table).all("tr")]

    def elements(self) -> list[Element]:
        """All elements."""
        return list(self._all(self.root))

    def _all(self, element: Element) -> list[Element]:
        found = []
        for child in element.children:
            if isinstance(child, Element):
                found += [child, *self._all(child)]
        return found


def page_of(text: str) -> Page:
    """Return a page, all of whose tags are closed."""
    page = Page()
    page.feed(text)
    page.close()
    assert [each.name for each in page._open[1:]] == []
    return page
