"""Build notebooks from their sources: expand exercises, run every cell, keep the outputs.

Sources are Python files in the ``py:percent`` form under ``notebooks/source``; that of
``notebooks/more/NAME.ipynb`` is ``notebooks/source/more/NAME.py``. In a Markdown cell,
``{{exercise NAME}}`` stands for the exercise with its hints, and ``{{solution NAME}}`` for the
folded solution, which is the code that the check compares with.

With ``--edition``, an edition is written to a folder of its own. Its code is that of the shipped
notebook, whose outputs it keeps, so nothing is run:

student
    without solutions, and without the last hints, which say what to write
solutions
    the solutions stand in the cells in which students write, and the checks say that they are right
instructor
    the shipped notebook, with the lesson's section of ``docs/INSTRUCTORS.md`` after its first cell
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import inspect
import io
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from workbench.course.exercises import check, exercises
from workbench.course.sandbox import is_stub
from workbench.errors import WorkbenchError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
EDITIONS = ("student", "solutions", "instructor")
"""Each is written to ``NAME-edition``, beside ``notebooks``, so that relative paths hold."""
HINTS = 2
"""Hints of an exercise in the students' edition."""
INSTRUCTORS = "docs/INSTRUCTORS.md"
IN_PLACE = {"student": "*The solution is left out in this edition.*",
            "solutions": "*In this edition the solution is in the code above.*"}
"""The sentence in place of a folded solution."""
BUDGET = {"seconds": 60, "megabytes": 1500}
LONGER = dict.fromkeys(("05_sdft", "08_many_skills"), 90)
"""Seconds of the lessons that train several language models."""
DIRECTIVE = re.compile(r"\{\{(exercise|solution) (\w+)\}\}")
CHECK = re.compile(r'^check\("(\w+)", \1\)$', re.M)
USED = ("import resource, sys; used = resource.getrusage(resource.RUSAGE_SELF); "
        "print(used.ru_utime + used.ru_stime, "
        "used.ru_maxrss // (1024 if sys.platform == 'linux' else 1024**2))")


def sources_in(folder: Path) -> list[Path]:
    """Return the sources in and below a folder, without the checkpoints that Jupyter keeps."""
    return sorted(p for p in folder.rglob("*.py") if ".ipynb_checkpoints" not in p.parts)


def place_of(source: Path) -> tuple[Path, str]:
    """Return the folder of a source's edition, and its name there, such as ``more/a_lesson``."""
    sources = next(folder for folder in source.parents if folder.name == "source")
    return sources.parent, source.relative_to(sources).with_suffix("").as_posix()


def budget(name: str) -> dict[str, int]:
    """Return the largest seconds and megabytes of a lesson; names are those of `place_of`."""
    return BUDGET | {"seconds": LONGER.get(name, BUDGET["seconds"])}


def exercise_block(name: str, edition: str | None = None) -> str:
    """Return an exercise in Markdown: stars, minutes, goal and folded hints."""
    exercise = exercises[name]
    stars = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    shown = exercise.hints[:HINTS] if edition == "student" else exercise.hints
    hints = "".join(f"<details><summary>Hint {i} of {len(shown)}</summary>\n\n{hint}\n\n"
                    "</details>\n" for i, hint in enumerate(shown, 1))
    return (f"### Exercise: `{name}`\n\n*Difficulty {stars} · about {exercise.minutes} minutes*\n\n"
            f"{exercise.goal}\n\n{hints}")


def expand(text: str, edition: str | None = None) -> str:
    """Return Markdown of the shipped notebook, or of an edition, with its directives replaced."""
    def block(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if name not in exercises:
            raise WorkbenchError(f"no exercise {name!r}; there are: {', '.join(exercises)}")
        if kind == "exercise":
            return exercise_block(name, edition)
        code = inspect.getsource(exercises[name].solution)
        return IN_PLACE.get(edition or "", f"<details><summary>Solution</summary>\n\n"
                                           f"```python\n{code}```\n\n</details>")

    return DIRECTIVE.sub(block, text)


def read_source(path: Path, edition: str | None = None) -> Any:
    """Return the notebook that a source describes, not yet run."""
    import jupytext

    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"{path.stem.split('_')[0]}-{i:02d}"
        if cell.cell_type == "markdown":
            cell.source = expand(cell.source, edition)
    return notebook


def solve(cell: Any) -> None:
    """Write solutions in place of the stubs of a cell, and the outputs of their checks."""
    import nbformat

    lines = cell.source.splitlines()
    for node in reversed(ast.parse(cell.source).body):
        if is_stub(node) and node.name in exercises:
            solution = inspect.getsource(exercises[node.name].solution)
            lines[node.lineno - 1:node.end_lineno] = solution.splitlines()
    cell.source = "\n".join(lines)
    if names := CHECK.findall(cell.source):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            for name in names:
                check(name, exercises[name].solution)
        cell.outputs = [nbformat.v4.new_output("stream", text=printed.getvalue())]


def notes_on(name: str, guide: Path) -> str | None:
    """Return the section of the instructors' guide on a lesson such as ``05_sdft``, if any.

    Its heading is ``## 05`` and the title. Links are made to work from an edition's folder.
    """
    number = re.match(r"\d\d(?=_)", name)
    text = guide.read_text("utf-8") if guide.exists() else ""
    section = number and re.search(rf"^## {number[0]}\b.*\n((?:(?!## ).*\n?)*)", text, re.M)
    if not section or not section[1].strip():
        return None
    linked = re.sub(r"\]\((?!\w+:|#|\.\./|/)", f"](../{guide.parent.name}/", section[1].strip())
    return "## Notes for the instructor\n\n" + linked.replace("](../notebooks/", "](")


def edition_of(path: Path, edition: str) -> Any:
    """Return an edition of a lesson, with the outputs of the shipped notebook.

    Raises `WorkbenchError` if the shipped notebook is missing or has other code than the source.
    """
    import nbformat

    notebooks, name = place_of(path)
    shipped = target_of(path, notebooks)
    notebook = read_source(path, edition)
    stored = nbformat.read(shipped, as_version=4).cells if shipped.exists() else []
    if [cell.source for cell in notebook.cells if cell.cell_type == "code"] != [
            cell.source for cell in stored if cell.cell_type == "code"]:
        raise WorkbenchError(f"{shipped} is not built from {path} as it is now: build it first, "
                             f"with make build NAME={name}")
    notebook.metadata = nbformat.read(shipped, as_version=4).metadata
    run = {cell.id: cell for cell in stored}
    notebook.cells = [cell if cell.cell_type == "markdown" else run[cell.id]
                      for cell in notebook.cells]
    if edition == "solutions":
        for cell in notebook.cells:
            if cell.cell_type == "code":
                solve(cell)
    notes = notes_on(name, notebooks.parent / INSTRUCTORS) if edition == "instructor" else None
    if notes:
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(
            notes, id=f"{path.stem.split('_')[0]}-notes"))
    return notebook


def target_of(path: Path, folder: Path, edition: str | None = None) -> Path:
    """Return the path of the notebook to write; only the shipped edition may be replaced."""
    notebooks, name = place_of(path)
    target = folder / f"{name}.ipynb"
    shipped = folder.resolve() == notebooks.resolve()
    if edition and folder.resolve().is_relative_to(notebooks.resolve()):
        raise WorkbenchError(f"{folder} has the shipped notebooks; the {edition} edition needs a "
                             "folder of its own: choose another with --folder")
    if target.exists() and not shipped:
        raise WorkbenchError(f"{target} exists, and may hold somebody's work: move it away, or "
                             "choose another folder with --folder")
    return target


def write_edition(sources: dict[str, Path], folder: Path, edition: str) -> None:
    """Write an edition of the sources to `folder`, and the glossary, unless there is one."""
    import nbformat

    # All of them are made before the first is written.
    notebooks = {target_of(path, folder, edition): edition_of(path, edition)
                 for path in sources.values()}
    for target, notebook in notebooks.items():
        nbformat.validate(notebook)
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
        print(target)
    glossary = place_of(next(iter(sources.values())))[0] / "GLOSSARY.md"
    if glossary.exists() and not (folder / glossary.name).exists():
        shutil.copy(glossary, folder)


def build(path: Path, folder: Path) -> dict[str, float]:
    """Run the source at `path` and write the notebook with its outputs to `folder`.

    The cells always run in the folder of the shipped notebook, so that paths in cells mean the
    same in every folder.

    Returns
    -------
    dict
        ``seconds`` from cold and ``megabytes`` at the peak, which the notebook stores too. The
        seconds are those of the processor: with one thread, what a cold run takes where nothing
        else runs. A busy machine makes them hardly longer.

    Raises
    ------
    WorkbenchError
        If a notebook would be overwritten that is not of the shipped edition.
    """
    import nbformat
    from nbclient import NotebookClient

    target = target_of(path, folder)
    notebooks, name = place_of(path)
    home = (notebooks / name).parent
    home.mkdir(parents=True, exist_ok=True)
    notebook = read_source(path)
    notebook.cells.append(nbformat.v4.new_code_cell(USED, id="used"))
    NotebookClient(notebook, timeout=300, store_widget_state=False, coalesce_streams=True,
                   resources={"metadata": {"path": str(home)}}).execute()
    seconds, megabytes = notebook.cells.pop().outputs[0]["text"].split()
    used = {"seconds": round(float(seconds), 1), "megabytes": int(megabytes)}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "text/html" in (data := output.get("data", {})):
                # A table of the doctor names the folder in which the lesson was built.
                data["text/html"] = data["text/html"].replace(f"{notebooks.resolve().parent}/", "")
    notebook.metadata.pop("widgets", None)
    notebook.metadata["workbench"] = {"used": used, "budget": budget(name)}
    nbformat.validate(notebook)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    return used


def main(arguments: list[str]) -> None:
    """Build the named notebooks, or all: ``python scripts/build_lessons.py --help``."""
    parser = argparse.ArgumentParser(description="Build notebooks from notebooks/source.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="how the names of the notebooks to build begin, such as 01 or more/; "
                             "else all")
    parser.add_argument("--edition", choices=EDITIONS,
                        help="write this edition to a folder of its own, and run nothing")
    parser.add_argument("--folder", type=Path, help="where to write the notebooks")
    options = parser.parse_args(arguments)
    shipped = Path("notebooks")
    edition = options.edition
    folder = options.folder or (Path(f"{edition}-edition") if edition else shipped)
    sources = {place_of(path)[1]: path for path in sources_in(shipped / "source")}
    missing = [name for name in options.names if not any(s.startswith(name) for s in sources)]
    if missing:
        parser.error(f"no source begins with {', '.join(missing)}; there are: "
                     f"{', '.join(sources)}")
    chosen = {name: path for name, path in sources.items()
              if not options.names or name.startswith(tuple(options.names))}
    try:
        for path in chosen.values():
            target_of(path, folder, edition)
        if edition:
            return write_edition(chosen, folder, edition)
        for name, path in chosen.items():
            used = build(path, folder)
            print(f"{name}: {used['seconds']} s, {used['megabytes']} MB", flush=True)
    except WorkbenchError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
