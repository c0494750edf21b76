"""Write a handout for each lesson: two or three pages to print, without code.

It has the lesson's claim and objectives, its pictures with their alternative texts, the exercises
with space to write, and the words of the glossary that the lesson uses. All of it is taken from the
shipped notebook, the exercises and the glossary. The browser prints it on A4 or Letter.
"""

from __future__ import annotations

import argparse
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

from site_pages import to_html

from workbench.course.exercises import exercises
from workbench.errors import WorkbenchError

FOLDER = "handouts"
PICTURES = 3
"""Pictures of a handout: the first, those in the middle, the last."""
LINES = 4
"""Lines to write on, for each exercise."""
STYLE = """
@page { margin: 14mm }
* { box-sizing: border-box }
body { font: 10.5pt/1.4 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #111;
  max-width: 182mm; margin: 0 auto; padding: 4mm }
h1 { font-size: 19pt; margin: 0 0 2mm } h2 { font-size: 12.5pt; margin: 4mm 0 1mm }
p, ul { margin: 0 0 2mm } ul { padding-left: 5mm }
.claim { border-left: 1.2mm solid #0072b2; padding-left: 3mm }
.pictures { display: flex; flex-wrap: wrap; gap: 3mm; align-items: center }
.pictures img { flex: 1 1 80mm; min-width: 0; max-width: 100%; max-height: 52mm;
  object-fit: contain }
.exercise, dl div { break-inside: avoid } h2 { break-after: avoid }
.line { border-bottom: 0.2mm solid #888; height: 7.5mm }
dl { columns: 2; column-gap: 6mm; margin: 0; font-size: 9.5pt } dt { font-weight: bold }
dd { margin: 0 0 1.5mm } code { font-size: 95% }
footer { margin-top: 3mm; font-size: 8.5pt; color: #555 }
@media print { body { padding: 0; max-width: none } }
"""


def on_paper(markdown: str) -> str:
    """Return Markdown as HTML; links become their text, since paper has none."""
    return to_html(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown))


def inline(markdown: str) -> str:
    """Return one paragraph as HTML, without its tag."""
    return on_paper(markdown).strip().removeprefix("<p>").removesuffix("</p>")


def pictures_of(notebook: Any) -> list[str]:
    """Return the key pictures of a notebook as HTML, with their alternative texts."""
    shown = [output.data["text/html"] for cell in notebook.cells
             for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    found = [tag[0] for html in shown if (tag := re.search(r'<img alt="[^"]+" src="[^"]+">', html))]
    places = {round(i * (len(found) - 1) / (PICTURES - 1)) for i in range(PICTURES)}
    return [found[i] for i in sorted(places) if found]


def words_of(text: str, glossary: str) -> list[tuple[str, str]]:
    """Return the rows of the glossary with a term that stands in a text: terms and meaning."""
    rows = re.findall(r"^\| (\*\*.+?) \| (.+?) \|", glossary, re.M)
    return [(terms, meaning) for terms, meaning in rows
            if any(re.search(rf"\b{re.escape(term)}\b", text, re.I)
                   for bold in re.findall(r"\*\*(.+?)\*\*", terms)
                   for term in re.split(r" \(|\)", bold) if term)]


def handout(notebook: Any, glossary: str) -> str:
    """Return the handout of a lesson as one HTML page.

    Raises `WorkbenchError` if the first cell has no title, claim or objectives.
    """
    first, text = notebook.cells[0].source, "\n".join(
        cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    parts = [re.search(pattern, first, re.M) for pattern in
             (r"^# (.+)", r"((?:^> ?.*\n?)+)", r"^\| \*\*Objectives\*\* \| (.+) \|$")]
    if not all(parts):
        raise WorkbenchError("its first cell should have a title (# ...), a claim (> ...) and a "
                             "row **Objectives**")
    title, claim, objectives = (part[1] for part in parts if part)
    claim = re.sub(r"^> ?", "", claim, flags=re.M)
    body = [f"<h1>{inline(title)}</h1>", f'<div class="claim">{on_paper(claim)}</div>',
            "<h2>Objectives</h2><ul>",
            *(f"<li>{inline(part)}</li>" for part in objectives.split(" · ")), "</ul>"]
    if pictures := pictures_of(notebook):
        body += ['<h2>Pictures</h2><div class="pictures">', *pictures, "</div>"]
    for name in re.findall(r"^### Exercise: `(\w+)`", text, re.M):
        body.append(f'<section class="exercise"><h2>Exercise: <code>{name}</code></h2>'
                    + on_paper(exercises[name].goal) + LINES * '<div class="line"></div>'
                    + "</section>")
    if words := words_of(text, glossary):
        body += ["<h2>Words</h2><dl>", *(f"<div><dt>{inline(terms)}</dt><dd>{inline(meaning)}</dd>"
                                         "</div>" for terms, meaning in words), "</dl>"]
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
            f"</title><style>{STYLE}</style></head><body><main>\n{chr(10).join(body)}\n</main>"
            "<footer>The forgetting workbench</footer></body></html>\n")


def main(arguments: list[str]) -> None:
    """Write the handouts of the named lessons, or of all numbered ones."""
    import nbformat

    parser = argparse.ArgumentParser(description="Write a printable handout for each lesson.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="how the names of the lessons begin, such as 01 or more/; else all "
                             "numbered ones")
    parser.add_argument("--folder", type=Path, default=Path(FOLDER), help="where to write them")
    options = parser.parse_args(arguments)
    notebooks = Path("notebooks")
    lessons = {path.relative_to(notebooks).with_suffix("").as_posix(): path
               for path in sorted(notebooks.rglob("*.ipynb"))
               if ".ipynb_checkpoints" not in path.parts}
    chosen = {name: path for name, path in lessons.items()
              if name.startswith(tuple(options.names) or tuple("0123456789"))}
    if missing := [name for name in options.names if not any(n.startswith(name) for n in chosen)]:
        parser.error(f"no lesson begins with {', '.join(missing)}; there are: {', '.join(lessons)}")
    glossary, pages = (notebooks / "GLOSSARY.md").read_text("utf-8"), {}
    for name, path in chosen.items():
        target = options.folder / f"{name}.html"
        if target.exists():
            parser.error(f"{target} exists: move it away, or choose another folder with --folder")
        try:
            pages[target] = handout(nbformat.read(path, as_version=4), glossary)
        except WorkbenchError as error:
            parser.error(f"{path}: {error}")
    for target, page in pages.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, "utf-8")
        print(target)


if __name__ == "__main__":
    main(sys.argv[1:])
