"""Building notebooks: what exercises and solutions become."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from workbench.course import check, exercises
from workbench.course.build import BUDGET, build, expand, main, read_source
from workbench.errors import WorkbenchError
from workbench.intervals import wilson_interval

SOURCE = '''# %% [markdown]
# # A lesson
# {{exercise share_kept}}

# %%
print("seen", 6 * 7)

# %% [markdown]
# {{solution share_kept}}
'''


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source" / "07_a_lesson.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


def folded(text: str, summary: str) -> str:
    """What stands in the folded block with this summary."""
    found = re.search(rf"<details><summary>{summary}</summary>\n\n(.+?)\n\n</details>", text, re.S)
    assert found, f"no folded {summary!r}"
    return found[1]


@pytest.mark.parametrize("e", exercises.values(), ids=lambda e: e.name)
def test_an_exercise_becomes_its_title_stars_minutes_goal_and_folded_hints(e):
    text = expand(f"Before.\n\n{{{{exercise {e.name}}}}}\n\nAfter.", solutions=True)
    assert text.startswith(f"Before.\n\n### Exercise: `{e.name}`\n") and text.endswith("After.")
    stars = re.search(r"Difficulty ([●○]{3}) · about (\d+) minutes", text)
    assert stars[1].count("●") == e.difficulty and int(stars[2]) == e.minutes
    assert e.goal in text
    for i, words in enumerate(e.hints, 1):
        assert folded(text, f"Hint {i} of {len(e.hints)}") == words
    assert "Solution" not in text and "{{" not in text


@pytest.mark.parametrize("name", exercises)
def test_the_folded_solution_is_code_that_the_check_accepts(name, capsys):
    block = folded(expand(f"{{{{solution {name}}}}}", solutions=True), "Solution")
    code = re.fullmatch(r"```python\n(.+)```", block, re.S)[1]
    # What a notebook has imported by then.
    namespace = {"np": np, "torch": torch, "F": F, "wilson_interval": wilson_interval}
    exec(code, namespace)
    check(name, namespace[name])
    assert capsys.readouterr().out == f"{name}: right!\n"


def test_an_edition_without_solutions_has_none():
    text = expand("{{exercise retention}} {{solution retention}}", solutions=False)
    assert "The solution is left out" in text
    assert "def retention" not in text and "```" not in text
    assert "### Exercise: `retention`" in text, "the exercise stays"


@pytest.mark.parametrize("kind", ["exercise", "solution"])
def test_an_unknown_exercise_is_told_with_the_known_ones(kind):
    with pytest.raises(WorkbenchError, match="no exercise 'retentoin'") as caught:
        expand(f"{{{{{kind} retentoin}}}}", solutions=True)
    assert all(name in str(caught.value) for name in exercises)


def test_other_braces_are_left_alone():
    assert expand("{{x}} {exercise retention}", True) == "{{x}} {exercise retention}"


def test_a_source_becomes_a_notebook_with_steady_ids_and_python_s_kernel(source):
    notebook = read_source(source)
    assert [c.cell_type for c in notebook.cells] == ["markdown", "code", "markdown"]
    assert [c.id for c in notebook.cells] == ["07-00", "07-01", "07-02"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert "### Exercise" in notebook.cells[0].source
    assert "return after / before" in notebook.cells[2].source
    assert "return after / before" not in read_source(source, solutions=False).cells[2].source


def test_a_built_notebook_keeps_its_outputs_and_what_it_used(source, tmp_path):
    import nbformat

    used = build(source, tmp_path)
    notebook = nbformat.read(tmp_path / "07_a_lesson.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1], "without the cell that measured memory"
    assert code[0].outputs[0].text == "seen 42\n"
    assert notebook.metadata.workbench == {"used": used, "budget": BUDGET}
    assert 0 < used["seconds"] < 60 and 10 < used["megabytes"] < 1500
    assert "widgets" not in notebook.metadata
    assert all("execution" not in cell.metadata for cell in notebook.cells)


def test_the_command_builds_those_named_with_or_without_solutions(source, tmp_path, monkeypatch,
                                                                 capsys):
    (tmp_path / "notebooks").mkdir()
    source.parent.rename(tmp_path / "notebooks" / "source")
    (tmp_path / "notebooks" / "source" / "08_other.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    asked = []

    def note(path, folder, solutions):
        asked.append((path.stem, str(folder), solutions))
        return {"seconds": 1.0, "megabytes": 2}

    monkeypatch.setattr("workbench.course.build.build", note)
    main(["08", "--no-solutions"])
    main([])
    assert asked == [("08_other", "notebooks", False), ("07_a_lesson", "notebooks", True),
                     ("08_other", "notebooks", True)]
    assert capsys.readouterr().out.splitlines()[0] == "08_other: 1.0 s, 2 MB"
