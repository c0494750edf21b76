"""Pages of the site: a notebook or a Markdown file as HTML, with its links, pictures and words.

nbconvert renders the cells through `site_template/index.html.j2`. What is then changed in the HTML
is what a page without a kernel needs: formulas as MathML, pictures as files, links to pages.
"""

from __future__ import annotations

import base64
import io
import posixpath
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
from bs4 import BeautifulSoup, Tag
from latex2mathml.converter import convert
from nbconvert import TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from PIL import Image
from traitlets.config import Config

TEMPLATE = Path(__file__).parent / "site_template"
HEADINGS = ("h1", "h2", "h3")
VERDICT = "Verdict: "
DATA = re.compile(r"data:image/(png|jpeg|svg\+xml);base64,(.*)", re.S)

PLAIN = re.compile(r'<span class="(?!k|s|c|m|nf|nc|nb|ow)\w+">([^<]*)</span>')
"""A part of code that style.css gives no colour: half of all elements of a page."""


class SiteError(ValueError):
    """A page that cannot be made, with its file and the remedy."""


class Renderer(IPythonRenderer):
    """Markdown as HTML, with formulas as MathML: browsers draw it, and screen readers read it."""

    def text(self, text: str) -> str:
        """Return text in which no line breaks between a number and its percent sign."""
        return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", super().text(text))

    def inline_math(self, body: str, display: str = "inline") -> str:
        """Return a formula in a line."""
        # Unlike TeX, MathML puts no space between a function and its argument.
        spaced = re.sub(r"\\(log|exp|min|max)(?=[ \\])", r"\\\1\\,", body)
        return str(convert(spaced, display=display))

    def block_math(self, body: str) -> str:
        """Return a formula with a line of its own."""
        return self.inline_math(body, "block")


def to_html(markdown: str) -> str:
    """Return Markdown as HTML."""
    renderer = Renderer(escape=False, exclude_anchor_links=True)
    return str(MarkdownWithMath(renderer=renderer).render(markdown))


def pieces(text: str) -> list[tuple[str, str]]:
    """Return printed text as pairs of a kind, ``"text"`` or ``"verdict"``, and the words."""
    result: list[tuple[str, str]] = []
    lines = text.splitlines()
    while lines:
        if lines[0].startswith(VERDICT):
            n = 1
            while n < len(lines) and continues(lines[:n], lines[n]):
                n += 1
            result.append(("verdict", " ".join(lines[:n]).removeprefix(VERDICT)))
        else:
            n = next((i for i, line in enumerate(lines) if line.startswith(VERDICT)), len(lines))
            result.append(("text", "\n".join(lines[:n])))
        del lines[:n]
    return result


def continues(lines: list[str], line: str) -> bool:
    """Return whether a line continues a verdict, which is printed in lines of 100 characters.

    It does if `workbench.course.verdict` would have broken the sentence there. A table has
    neighbouring spaces; a verdict has none.
    """
    if line.startswith(VERDICT) or "  " in line:
        return False
    return textwrap.wrap(" ".join([*lines, line]), 100) == [*lines, line]


def words(output: Any) -> str:
    """Return the alternative text of a picture that has no HTML beside it."""
    texts = [one.get("alt", "") for one in output.metadata.values() if isinstance(one, dict)]
    return next(filter(None, texts), output.data.get("text/plain", ""))


class Exporter(TemplateExporter):
    """nbconvert's exporter with the templates of the site.

    nbconvert's own exporter of HTML would parse each page once more, to add what `Page` adds.
    """

    def __init__(self) -> None:
        super().__init__(
            template_name=TEMPLATE.name, extra_template_basedirs=[str(TEMPLATE.parent)],
            file_extension=".html", config=Config({"NbConvertBase": {"display_data_priority": [
                "text/html", "image/svg+xml", "image/png", "text/plain"]}}))
        self.register_filter("pieces", pieces)
        self.register_filter("words", words)
        highlight = Highlight2HTML(pygments_lexer="python3")
        self.register_filter("highlight_code", lambda source, metadata=None: PLAIN.sub(
            r"\1", highlight(source, metadata=metadata)))
        self.register_filter("markdown2html", to_html)


@dataclass
class Page:
    """One page: `source` is its notebook or Markdown file, relative to the project `root`."""

    root: Path
    source: str
    repository: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Files that the page needs, by their path in the site."""
    linked: list[str] = field(default_factory=list)
    """Sources of other pages that this one links to."""

    @property
    def url(self) -> str:
        """Return the path of the page in the site."""
        return page_url(self.source)

    @property
    def up(self) -> str:
        """Return the way from the page to the top of the site."""
        return "../" * self.source.count("/")

    @cached_property
    def notebook(self) -> Any:
        """Return the notebook; a Markdown file is a notebook with one cell."""
        path = self.root / self.source
        if path.suffix == ".ipynb":
            return nbformat.read(path, 4)
        # A model card begins with fields for the Hugging Face hub.
        text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.S)
        cell = nbformat.v4.new_markdown_cell(text)
        return nbformat.v4.new_notebook(cells=[cell])

    def render(self, exporter: Exporter) -> None:
        """Make `soup`, the HTML of the page."""
        self.soup = BeautifulSoup(exporter.from_notebook_node(self.notebook)[0], "html.parser")
        self._name_headings()
        for image in self.soup.find_all("img"):
            self._store(image)
        for link in self.soup.find_all("a", href=True):
            self._lead(link)
        for table in self.soup.find_all("table"):
            if (head := table.find("thead")) and not head.get_text(strip=True):
                head.decompose()
            table.wrap(self.soup.new_tag("div", attrs={"class": "wide"}))

    def _name_headings(self) -> None:
        """Give headings, and the words of a glossary, the anchors that JupyterLab gives them."""
        taken: dict[str, int] = {}
        terms = self.soup.select("td:first-child > strong") if "GLOSSARY" in self.source else []
        for element in [*self.soup.find_all(["h1", "h2", "h3", "h4"]), *terms]:
            anchor = element.get_text().strip().replace(" ", "-")
            taken[anchor] = taken.get(anchor, 0) + 1
            element["id"] = anchor + (f"-{taken[anchor]}" if taken[anchor] > 1 else "")

    def _store(self, image: Tag) -> None:
        """Make a picture a file of the site, so that pages stay small and cards can show it."""
        source = str(image["src"])
        if match := DATA.match(source):
            content = base64.b64decode(match[2])
            stem = self.source.rpartition(".")[0].removeprefix("notebooks/").replace("/", "-")
            kind = {"svg+xml": "svg", "jpeg": "jpg"}.get(match[1], match[1])
            name = f"pictures/{stem}-{len(self.pictures) + 1}.{kind}"
        else:
            name = self._target(source)
            content = (self.root / name).read_bytes()
        if not name.endswith(".svg"):
            image["width"], image["height"] = map(str, Image.open(io.BytesIO(content)).size)
        if not str(image.get("alt", "")).strip():
            raise SiteError(f"{self.source}: a picture has no alternative text ({name})")
        self.pictures[name] = content
        image["src"], image["loading"] = self.up + name, "lazy"

    def _target(self, link: str) -> str:
        """Return the file of the project that a link of this page means."""
        folder = posixpath.dirname(self.source)
        target = posixpath.normpath(posixpath.join(folder, unquote(urlsplit(link).path)))
        if target.startswith("..") or not (self.root / target).exists():
            raise SiteError(f"{self.source}: the link {link!r} leads to no file of the project; "
                            "correct it in the source of the page")
        return target

    def _lead(self, link: Tag) -> None:
        """Point a link to a page, to the repository, or, where there is neither, remove it."""
        parts = urlsplit(str(link["href"]))
        if parts.scheme or not parts.path:
            return
        target = self._target(str(link["href"]))
        if (self.root / target / "README.md").is_file():
            target = posixpath.join(target, "README.md")
        if target.endswith((".ipynb", ".md")):
            self.linked.append(target)
            end = f"#{parts.fragment}" if parts.fragment else ""
            link["href"] = self.up + page_url(target) + end
        elif self.repository:
            link["href"] = f"{self.repository}/blob/main/{target}"
        else:
            link.unwrap()

    @property
    def title(self) -> str:
        """Return the first heading."""
        heading = self.soup.find("h1")
        return heading.get_text().strip() if heading else self.source

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Return the anchors and texts of the main headings."""
        return [(str(one["id"]), one.get_text()) for one in self.soup.find_all("h2")]

    def sections(self) -> Iterator[dict[str, str]]:
        """Yield the parts of the page under each heading, for the search."""
        heading, anchor, texts = self.title, "", list[str]()

        def section() -> dict[str, str]:
            text = " ".join(" ".join(texts).split())
            return {"page": self.title, "heading": heading, "url": self.url + anchor, "text": text}

        for block in self.soup.select(".prose > *, .verdict"):
            if block.name in HEADINGS:
                if texts:
                    yield section()
                heading, anchor, texts = block.get_text(), f"#{block['id']}", []
            elif block.name != "pre":
                texts.append(block.get_text())
        yield section()


def page_url(source: str) -> str:
    """Return the path in the site of a notebook or Markdown file."""
    return re.sub(r"\.(ipynb|md)$", ".html", source)
