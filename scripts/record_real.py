"""Record what lesson 12 computes with the real model: ``data/results/real_model.json``.

    workbench get-model smollm2-135m
    python scripts/record_real.py      # about six minutes

It runs the code of the lesson itself, and stops if the lesson needs more than 4 GB. Readers who
have not fetched the model see this record.
"""

from __future__ import annotations

import json
from pathlib import Path

import nbclient
import nbformat

from workbench.models.published import published_folder
from workbench.system.files import write_atomically
from workbench.system.provenance import data_path, environment

LESSON = Path(__file__).parents[1] / "notebooks" / "12_your_own_task.ipynb"
MOST_GB = 4
LAST = """import resource, sys
unit = 1 if sys.platform == "darwin" else 1024  # bytes
print(json.dumps({"results": results,
                  "peak_GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9}))"""


def main() -> None:
    """Run the lesson with the real model and write its results."""
    published_folder("smollm2-135m")  # raises an error, with the command, if it is missing
    path = data_path("results") / "real_model.json"
    new = not path.exists()
    if new:
        write_atomically(path, b"{}\n")  # the lesson reads it
    notebook = nbformat.read(LESSON, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST))
    try:
        nbclient.NotebookClient(notebook, timeout=1200, resources={
            "metadata": {"path": str(LESSON.parent)}}).execute()
        last = json.loads(notebook.cells[-1].outputs[-1]["text"])
        if last["peak_GB"] > MOST_GB:
            raise SystemExit(f"Lesson 12 took {last['peak_GB']:.2f} GB. It may take at most "
                             f"{MOST_GB} GB. Nothing was written: make its cells smaller.")
    except BaseException:
        if new:
            path.unlink()
        raise
    made = {**last["results"], "environment": environment()}
    write_atomically(path, (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode())
    print(f"{path}; the largest memory was {last['peak_GB']:.2f} GB")


if __name__ == "__main__":
    main()
