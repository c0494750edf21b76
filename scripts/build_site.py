"""Build the site: the lessons with their stored outputs as pages that need no installation.

``python scripts/build_site.py`` writes ``artifacts/site``; nothing is executed. The folder can be
opened from disk or put on any web server.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from site_pages import TEMPLATE, Exporter, Page, SiteError, pieces

ROOT = Path(__file__).resolve().parent.parent
START = "notebooks/00_start_here.ipynb"
GLOSSARY = "notebooks/GLOSSARY.md"
PANELS = ("forgetting", "sft_beside_sdft", "clusters")
PICTURES = {
    "00_start_here": "Bars, accuracy of five networks",
    "02_measuring_retention": "Curves of mean accuracy on the tasks learned so far (two new",
    "03_self_distillation": "Dots with 95 % intervals, Images of a digit",
    "04_the_model_as_its_own_teacher": "Bars with 95 % intervals: new skills",
    "09_adapters_and_routing": "Dots with 95 % intervals, How often",
    "12_your_own_task": "Answers of the real model",
}
"""The picture that stands for a lesson, by the beginning of its words; else its first."""
FILES, MARK = "site-files.txt", "The files that scripts/build_site.py wrote:"
"""The list of files of a site and its first line; the next build removes these and no others."""


@dataclass
class Lesson:
    """What the index says about a lesson."""

    page: Page
    number: str
    title: str
    summary: str
    further: list[Lesson] = field(default_factory=list)

    @property
    def main(self) -> bool:
        """Return whether this is a lesson of the main course."""
        return "/more/" not in self.page.source

    @property
    def url(self) -> str:
        """Return the path of its page."""
        return self.page.url

    @property
    def anchor(self) -> str:
        """Return its name on the page of all lessons."""
        return Path(self.page.source).stem

    @cached_property
    def claim(self) -> str:
        """Return the claim in HTML."""
        quote = self.page.soup.find("blockquote")
        if quote is None or "Claim" not in quote.get_text():
            raise SiteError(f"{self.page.source}: the first quotation should be the claim")
        claim = BeautifulSoup(str(quote.find("p")), "html.parser").p
        claim.strong.decompose()
        return claim.decode_contents().strip()

    @cached_property
    def time(self) -> str:
        """Return how long the lesson takes, in words."""
        cell = next((c for c in self.page.soup.find_all("td") if c.get_text() == "Time"), None)
        if cell is None:
            raise SiteError(f"{self.page.source}: the first table should have a row **Time**")
        return cell.find_next_sibling("td").get_text()

    @property
    def minutes(self) -> str:
        """Return the minutes to work through the lesson."""
        return re.search(r"\d+", self.time)[0]

    @cached_property
    def verdicts(self) -> list[str]:
        """Return the verdicts that the stored outputs print."""
        outputs = [o for cell in self.page.notebook.cells for o in cell.get("outputs", [])]
        return [text for output in outputs if output.output_type == "stream"
                for kind, text in pieces(output.text) if kind == "verdict"]

    @cached_property
    def picture(self) -> dict[str, str] | None:
        """Return the most telling picture: that of `PICTURES`, or the first."""
        beginning = PICTURES.get(self.anchor, "")
        for image in self.page.soup.select(".output img"):
            if image["alt"].startswith(beginning):
                return {**image.attrs, "src": image["src"].removeprefix(self.page.up)}
        if beginning:
            raise SiteError(f"{self.page.source}: no picture's alternative text begins with "
                            f"{beginning!r}; change PICTURES in scripts/build_site.py")
        return None


def course(pages: dict[str, Page]) -> list[Lesson]:
    """Return all lessons as the tables in lesson 00 list them, with the short claims there."""
    stems = {Path(source).stem: page for source, page in pages.items() if is_lesson(source)}
    mains: dict[str, Lesson] = {}
    lessons: list[Lesson] = []
    for row in (row.find_all("td") for row in pages[START].soup.select("tr")):
        texts = [cell.get_text().strip() for cell in row]
        if len(row) == 2 and (match := re.fullmatch(r"(\d\d) (.+)", texts[0])):
            number, title = match.groups()
        elif len(row) == 3 and texts[0] in mains:
            number, title = texts[:2]
        else:
            continue
        link = row[-2].find("a")
        page = stems.pop(Path(link["href"] if link else START).stem)
        lesson = Lesson(page, number, title, row[-1].decode_contents())
        lessons.append(lesson)
        if lesson.main:
            mains[number] = lesson
        else:
            mains[number].further.append(lesson)
    if stems:
        raise SiteError(f"{START}: the tables of the course lack {', '.join(stems)}; add them in "
                        "its source")
    return [one for main in mains.values() for one in (main, *main.further)]


def is_lesson(source: str) -> bool:
    """Return whether a source is a lesson."""
    return source.startswith("notebooks/") and source.endswith(".ipynb")


def read_pages(root: Path, repository: str) -> dict[str, Page]:
    """Return the pages of all lessons, the glossary, the documents, and what they link to."""
    exporter, pages = Exporter(), dict[str, Page]()
    patterns = ("notebooks/*.ipynb", "notebooks/more/*.ipynb", GLOSSARY, "docs/*.md")
    waiting = [p.relative_to(root).as_posix() for one in patterns for p in sorted(root.glob(one))]
    while waiting:
        source = waiting.pop(0)
        if source not in pages:
            pages[source] = Page(root, source, repository)
            pages[source].render(exporter)
            waiting += pages[source].linked
    return pages


def inline_json(value: Any) -> str:
    """Return JSON that can stand in a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def site_files(root: Path, repository: str = "") -> dict[str, bytes]:
    """Return all files of the site by their path in it.

    Raises
    ------
    SiteError
        If a link leads nowhere, a picture has no words, or a lesson lacks a claim or a time.
    """
    pages = read_pages(root, repository)
    lessons = course(pages)
    templates = Exporter().environment
    templates.filters["inline_json"] = inline_json
    player = root / "workbench" / "widgets" / "player.js"
    paths = {name: root / "data" / "recordings" / f"{name}.json" for name in PANELS}
    recordings = {name: json.loads(path.read_text(encoding="utf-8"))
                  for name, path in paths.items() if path.is_file() and player.is_file()}
    script = player.read_text(encoding="utf-8") if recordings else ""
    files: dict[str, bytes] = {}

    def write(url: str, template: str, title: str, **values: Any) -> None:
        shared = {"repository": repository, "title": title, "up": "../" * url.count("/")}
        text = templates.get_template(template).render(**shared, **values)
        files[url] = (text + "\n").encode()

    for page in pages.values():
        files |= page.pictures
        write(page.url, "shell.html.j2", page.title, body=str(page.soup), contents=page.contents,
              lesson=is_lesson(page.source))
    mains = [lesson for lesson in lessons if lesson.main]
    further = [lesson for lesson in lessons if not lesson.main]
    documents = [page for page in pages.values() if page.source.startswith("docs/")]
    write("index.html", "home.html.j2", "", main=mains, further=further, documents=documents,
          recordings=recordings, player=script.replace("</script", r"<\/script"))
    write("lessons.html", "lessons.html.j2", "All lessons", lessons=lessons)
    write("search.html", "search.html.j2", "Search")
    sections = [section for page in [*(lesson.page for lesson in lessons), pages[GLOSSARY]]
                for section in page.sections()]
    files["search-index.js"] = f"const SECTIONS = {inline_json(sections)};\n".encode()
    for name in ("style.css", "page.js", "search.js"):
        files[name] = (TEMPLATE / name).read_bytes()
    return files


def write_site(files: dict[str, bytes], folder: Path) -> None:
    """Write the files, in place of those that an earlier build wrote and of no others.

    Raises
    ------
    SiteError
        If a file would be overwritten that no build of the site wrote.
    """
    listing = folder / FILES
    head, *old = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else [MARK]
    ours = {FILES, *old} if head == MARK and listing.is_file() else set()
    foreign = [name for name in (*files, FILES) if (folder / name).exists() and name not in ours]
    if foreign:
        raise SiteError(f"{folder / foreign[0]} was not written by this program: move it away, or "
                        "choose another folder with --folder")
    for name in old:
        (folder / name).unlink(missing_ok=True)
    for name, content in {**files, FILES: "\n".join([MARK, *files]).encode()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def main(arguments: list[str]) -> None:
    """Build the site: ``python scripts/build_site.py --help``."""
    parser = argparse.ArgumentParser(description="Build the course as a static site.")
    parser.add_argument("--folder", type=Path, default=ROOT / "artifacts" / "site")
    parser.add_argument("--repository", default="", metavar="URL",
                        help="address of the repository; links to files without a page lead there")
    options = parser.parse_args(arguments)
    try:
        files = site_files(ROOT, options.repository.rstrip("/"))
        write_site(files, options.folder)
    except SiteError as error:
        parser.error(str(error))
    size = sum(map(len, files.values())) / 1e6
    pages = sum(name.endswith(".html") for name in files)
    print(f"{pages} pages, {size:.1f} MB: {options.folder / 'index.html'}")


if __name__ == "__main__":
    main(sys.argv[1:])
