"""Projects to build a site from: the real one, with stubs where it lacks recordings; a tiny one."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import nbformat
from build_site import PANELS

ROOT = Path(__file__).parent.parent
PLAYER = """export function mount(element, recording) {
  element.append(Object.assign(document.createElement("p"), { textContent: recording.words }));
}
"""
PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYPhfDwAChwGA60e6kgAA"
         "AABJRU5ErkJggg==")


def project_with_recordings(folder: Path) -> Path:
    """Return a project with the real lessons and documents, and a recording for every panel."""
    for name in ("notebooks", "docs", "data/intents", "data/models", "data/skills",
                 "data/skills-real", "README.md",
                 "workbench/widgets/player.js", *(f"data/recordings/{one}.json" for one in PANELS)):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            place.symlink_to(ROOT / name)
        elif name.endswith(".js"):
            place.write_text(PLAYER)
        else:
            place.write_text(json.dumps({"words": f"In words: {place.stem} </script> é"}))
    return folder


CLAIM = "> **Claim you can check:** It *holds*."
TIME = "| | |\n|---|---|\n| **Time** | 25 minutes to read |"


def lesson(*cells: str, claim: str = CLAIM, time: str = TIME) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_markdown_cell(f"# A lesson\n\n{claim}\n\n{time}"),
        *map(nbformat.v4.new_markdown_cell, cells)])


def tiny_project(folder: Path) -> Path:
    """Return a project with two lessons, one of them further, a glossary and a source file."""
    table = ("| lesson | claim |\n|---|---|\n| **00 Start here** | It forgets. |\n\n"
             "| after | lesson | claim |\n|---|---|---|\n"
             "| 00 | [More](more/deep.ipynb) | It does. |")
    (folder / "notebooks" / "more").mkdir(parents=True)
    nbformat.write(lesson(table), folder / "notebooks" / "00_start_here.ipynb")
    nbformat.write(lesson("See [the start](../00_start_here.ipynb)."),
                   folder / "notebooks" / "more" / "deep.ipynb")
    (folder / "notebooks" / "GLOSSARY.md").write_text(
        "# Glossary\n\n| word | meaning |\n|---|---|\n| **soft label** | a probability |\n")
    (folder / "code.py").write_text("")
    shutil.copytree(ROOT / "data" / "intents", folder / "data" / "intents",
                    ignore=shutil.ignore_patterns("*.jsonl", "*.safetensors"))
    return folder


def add(folder: Path, *cells: nbformat.NotebookNode | str) -> None:
    """Append cells to the further lesson of a tiny project."""
    path = folder / "notebooks" / "more" / "deep.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells += [nbformat.v4.new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
    nbformat.write(notebook, path)


def code(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell("1 + 1", outputs=list(outputs))


def shown(data: dict[str, object], **metadata: object) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


def svg() -> str:
    return base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg"></svg>').decode()
