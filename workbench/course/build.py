"""Build notebooks from their sources: expand exercises, run every cell, keep the outputs.

Sources are Python files in the ``py:percent`` form under ``notebooks/source``. In a Markdown cell,
``{{exercise NAME}}`` stands for the task with its ladder of hints, and ``{{solution NAME}}`` for
the folded solution, so that neither can drift from what the check compares with.
"""

from __future__ import annotations

import inspect
import re
import sys
import time
from pathlib import Path
from typing import Any

from workbench.course.exercises import exercises
from workbench.errors import WorkbenchError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
BUDGET = {"seconds": 60, "megabytes": 1500}
LONGER = {"05_sdft": 90, "06_many_skills": 90}
"""Seconds of the notebooks that train language models."""
DIRECTIVE = re.compile(r"\{\{(exercise|solution) (\w+)\}\}")
MEMORY = ("import resource, sys; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss "
          "// (1024 if sys.platform == 'linux' else 1024**2))")


def budget(name: str) -> dict[str, int]:
    """Return what a notebook may use at most."""
    return BUDGET | {"seconds": LONGER.get(name, BUDGET["seconds"])}


def exercise_block(name: str) -> str:
    """Return an exercise in Markdown: stars, minutes, goal and folded hints."""
    e = exercises[name]
    stars = "●" * e.difficulty + "○" * (3 - e.difficulty)
    hints = "".join(f"<details><summary>Hint {i} of {len(e.hints)}</summary>\n\n{h}\n\n</details>\n"
                    for i, h in enumerate(e.hints, 1))
    return (f"### Exercise: `{name}`\n\n*Difficulty {stars} · about {e.minutes} minutes*\n\n"
            f"{e.goal}\n\n{hints}")


def solution_block(name: str) -> str:
    """Return the solution of an exercise in Markdown, folded."""
    code = inspect.getsource(exercises[name].solution)
    return f"<details><summary>Solution</summary>\n\n```python\n{code}```\n\n</details>"


def expand(text: str, solutions: bool) -> str:
    """Return Markdown with its directives replaced; without solutions, if so asked."""
    def block(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if name not in exercises:
            raise WorkbenchError(f"no exercise {name!r}; there are: {', '.join(exercises)}")
        if kind == "exercise":
            return exercise_block(name)
        return solution_block(name) if solutions else "*The solution is left out in this edition.*"

    return DIRECTIVE.sub(block, text)


def read_source(path: Path, solutions: bool = True) -> Any:
    """Return the notebook that a source describes, not yet run."""
    import jupytext

    notebook = jupytext.read(path, fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"{path.stem[:2]}-{i:02d}"
        if cell.cell_type == "markdown":
            cell.source = expand(cell.source, solutions)
    return notebook


def build(path: Path, folder: Path, solutions: bool = True) -> dict[str, float]:
    """Run a source and write the notebook with its outputs.

    Parameters
    ----------
    path : Path
        The source.
    folder : Path
        Where to put the notebook; its cells run there.
    solutions : bool
        Whether to include them.

    Returns
    -------
    dict
        ``seconds`` from cold and ``megabytes`` at the peak, which are also kept in the notebook.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = read_source(path, solutions)
    notebook.cells.append(nbformat.v4.new_code_cell(MEMORY, id="memory"))
    started = time.perf_counter()
    NotebookClient(notebook, timeout=300, store_widget_state=False,
                   resources={"metadata": {"path": str(folder)}}).execute()
    used = {"seconds": round(time.perf_counter() - started, 1),
            "megabytes": int(notebook.cells.pop().outputs[0]["text"])}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["workbench"] = {"used": used, "budget": budget(path.stem)}
    nbformat.validate(notebook)
    nbformat.write(notebook, folder / f"{path.stem}.ipynb")
    return used


def main(arguments: list[str]) -> None:
    """Build the named notebooks, or all: ``python -m workbench.course.build [NAME ...]``."""
    folder = Path("notebooks")
    sources = sorted((folder / "source").glob("*.py"))
    wanted = [a for a in arguments if not a.startswith("--")]
    for path in sources:
        if not wanted or any(path.stem.startswith(name) for name in wanted):
            used = build(path, folder, solutions="--no-solutions" not in arguments)
            print(f"{path.stem}: {used['seconds']} s, {used['megabytes']} MB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
