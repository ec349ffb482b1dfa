"""A page read back as a browser reads it: elements, what they link, and the texts that are shown."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br"}


@dataclass
class Page(HTMLParser):
    """What is in a page."""

    source: str
    tags: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    """Every src and href."""
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    """Rows of the tables that have an id; a cell with a machine's value is that."""
    words: str = ""
    images: list[dict[str, str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._table: list[list[str]] = []
        self.feed(self.source)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.resources += [
            attributes[name] for name in ("src", "href", "srcset", "data", "action") if name in attributes
        ]
        if "id" in attributes:
            self.ids[attributes["id"]] = attributes
        if tag == "table":
            self._table = self.tables.setdefault(attributes.get("id", ""), [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._table[-1].append("")
        elif tag == "data" and self._table and self._in_cell():
            self._table[-1][-1] += f"{attributes['value']} "
        elif tag == "img":
            self.images.append(attributes)
        if tag not in VOID and tag != "path":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "table":
            self._table = []

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words += data
        if self._table and self._in_cell() and "data" not in self.open:
            self._table[-1][-1] += data.strip()

    def _in_cell(self) -> bool:
        return "td" in self.open or "th" in self.open
