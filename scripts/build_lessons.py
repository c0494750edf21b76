"""Build notebooks from their sources: expand exercises, run every cell, keep the outputs.

Sources are Python files in the ``py:percent`` form under ``notebooks/source``; that of
``notebooks/more/NAME.ipynb`` is ``notebooks/source/more/NAME.py``. In a Markdown cell,
``{{exercise NAME}}`` stands for the exercise with its hints, and ``{{solution NAME}}`` for the
folded solution, which is the code that the check compares with.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import time
from pathlib import Path
from typing import Any

from workbench.course.exercises import exercises
from workbench.errors import WorkbenchError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
STUDENTS = "student-edition"
"""Folder of the edition without solutions; beside ``notebooks``, so that relative paths hold."""
BUDGET = {"seconds": 60, "megabytes": 1500}
LONGER = dict.fromkeys(("05_sdft", "08_many_skills"), 90)
"""Seconds of the lessons that train several language models."""
DIRECTIVE = re.compile(r"\{\{(exercise|solution) (\w+)\}\}")
MEMORY = ("import resource, sys; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss "
          "// (1024 if sys.platform == 'linux' else 1024**2))")


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


def exercise_block(name: str) -> str:
    """Return an exercise in Markdown: stars, minutes, goal and folded hints."""
    exercise = exercises[name]
    stars = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    count = len(exercise.hints)
    hints = "".join(f"<details><summary>Hint {i} of {count}</summary>\n\n{hint}\n\n</details>\n"
                    for i, hint in enumerate(exercise.hints, 1))
    return (f"### Exercise: `{name}`\n\n*Difficulty {stars} · about {exercise.minutes} minutes*\n\n"
            f"{exercise.goal}\n\n{hints}")


def expand(text: str, solutions: bool) -> str:
    """Return Markdown with its directives replaced; `solutions` says whether to include them."""
    def block(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if name not in exercises:
            raise WorkbenchError(f"no exercise {name!r}; there are: {', '.join(exercises)}")
        if kind == "exercise":
            return exercise_block(name)
        if not solutions:
            return "*The solution is left out in this edition.*"
        code = inspect.getsource(exercises[name].solution)
        return f"<details><summary>Solution</summary>\n\n```python\n{code}```\n\n</details>"

    return DIRECTIVE.sub(block, text)


def read_source(path: Path, solutions: bool = True) -> Any:
    """Return the notebook that a source describes, not yet run."""
    import jupytext

    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"{path.stem.split('_')[0]}-{i:02d}"
        if cell.cell_type == "markdown":
            cell.source = expand(cell.source, solutions)
    return notebook


def target_of(path: Path, folder: Path, solutions: bool) -> Path:
    """Return the path of the notebook to write; only the shipped edition may be replaced."""
    notebooks, name = place_of(path)
    target = folder / f"{name}.ipynb"
    shipped = folder.resolve() == notebooks.resolve()
    if not solutions and folder.resolve().is_relative_to(notebooks.resolve()):
        raise WorkbenchError(f"{folder} has the notebooks with solutions; an edition without them "
                             "needs a folder of its own: choose another with --folder")
    if target.exists() and not shipped:
        raise WorkbenchError(f"{target} exists, and may hold somebody's work: move it away, or "
                             "choose another folder with --folder")
    return target


def build(path: Path, folder: Path, solutions: bool = True) -> dict[str, float]:
    """Run the source at `path` and write the notebook with its outputs to `folder`.

    The cells always run in the folder of the shipped notebook, so that paths in cells mean the
    same in every edition.

    Returns
    -------
    dict
        ``seconds`` from cold and ``megabytes`` at the peak, which the notebook stores too.

    Raises
    ------
    WorkbenchError
        If a notebook would be overwritten that is not of the shipped edition.
    """
    import nbformat
    from nbclient import NotebookClient

    target = target_of(path, folder, solutions)
    notebooks, name = place_of(path)
    home = (notebooks / name).parent
    home.mkdir(parents=True, exist_ok=True)
    notebook = read_source(path, solutions)
    notebook.cells.append(nbformat.v4.new_code_cell(MEMORY, id="memory"))
    started = time.perf_counter()
    NotebookClient(notebook, timeout=300, store_widget_state=False, coalesce_streams=True,
                   resources={"metadata": {"path": str(home)}}).execute()
    used = {"seconds": round(time.perf_counter() - started, 1),
            "megabytes": int(notebook.cells.pop().outputs[0]["text"])}
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
    parser.add_argument("--no-solutions", action="store_true",
                        help=f"leave the solutions out, and write to {STUDENTS}/")
    parser.add_argument("--folder", type=Path, help="where to write the notebooks")
    options = parser.parse_args(arguments)
    shipped = Path("notebooks")
    folder = options.folder or (Path(STUDENTS) if options.no_solutions else shipped)
    sources = {place_of(path)[1]: path for path in sources_in(shipped / "source")}
    missing = [name for name in options.names if not any(s.startswith(name) for s in sources)]
    if missing:
        parser.error(f"no source begins with {', '.join(missing)}; there are: "
                     f"{', '.join(sources)}")
    chosen = {name: path for name, path in sources.items()
              if not options.names or name.startswith(tuple(options.names))}
    try:
        for path in chosen.values():
            target_of(path, folder, not options.no_solutions)
        for name, path in chosen.items():
            used = build(path, folder, not options.no_solutions)
            print(f"{name}: {used['seconds']} s, {used['megabytes']} MB", flush=True)
    except WorkbenchError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
