"""Building notebooks: what exercises and solutions become."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import nbformat
import pytest
from build_lessons import (
    BUDGET,
    CHECK,
    EDITIONS,
    build,
    edition_of,
    expand,
    main,
    place_of,
    read_source,
    sources_in,
    target_of,
)

from workbench.course import exercises
from workbench.course.sandbox import needed
from workbench.errors import WorkbenchError

SOURCE = '''# %% [markdown]
# # A lesson
# {{exercise retention}}

# %%
print("seen", 6 * 7)

# %% [markdown]
# {{solution retention}}
'''


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source" / "07_a_lesson.py"
    path.parent.mkdir()
    path.write_text(SOURCE)
    return path


def folded(text: str, summary: str) -> str:
    """What stands in the folded block with this summary."""
    result = re.search(rf"<details><summary>{summary}</summary>\n\n(.+?)\n\n</details>", text, re.S)
    assert result, f"no folded {summary!r}"
    return result[1]


@pytest.mark.parametrize("e", exercises.values(), ids=lambda e: e.name)
def test_an_exercise_becomes_its_title_stars_minutes_goal_and_folded_hints(e):
    text = expand(f"Before.\n\n{{{{exercise {e.name}}}}}\n\nAfter.")
    assert text.startswith(f"Before.\n\n### Exercise: `{e.name}`\n") and text.endswith("After.")
    stars = re.search(r"Difficulty ([●○]{3}) · about (\d+) minutes", text)
    assert stars[1].count("●") == e.difficulty and int(stars[2]) == e.minutes
    assert e.goal in text
    for i, words in enumerate(e.hints, 1):
        assert folded(text, f"Hint {i} of {len(e.hints)}") == words
    assert "Solution" not in text and "{{" not in text


def test_the_students_edition_has_neither_the_solution_nor_the_last_hint():
    text = expand("{{exercise retention_matrix}} {{solution retention_matrix}}", "student")
    assert "The solution is left out" in text
    assert "def retention" not in text and "```" not in text
    first, second, third = exercises["retention_matrix"].hints
    assert folded(text, "Hint 1 of 2") == first and folded(text, "Hint 2 of 2") == second
    assert third not in text and "Hint 3" not in text


@pytest.mark.parametrize("kind", ["exercise", "solution"])
def test_an_unknown_exercise_is_told_with_the_known_ones(kind):
    with pytest.raises(WorkbenchError, match="no exercise 'retentoin'") as caught:
        expand(f"{{{{{kind} retentoin}}}}")
    assert all(name in str(caught.value) for name in exercises)


def test_other_braces_are_left_alone():
    assert expand("{{x}} {exercise retention}") == "{{x}} {exercise retention}"


def test_a_source_becomes_a_notebook_with_steady_ids_and_python_s_kernel(source):
    notebook = read_source(source)
    assert [c.cell_type for c in notebook.cells] == ["markdown", "code", "markdown"]
    assert [c.id for c in notebook.cells] == ["07-00", "07-01", "07-02"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert "### Exercise" in notebook.cells[0].source
    assert "return after / before" in notebook.cells[2].source
    assert "return after / before" not in read_source(source, "student").cells[2].source


def test_a_built_notebook_keeps_its_outputs_and_what_it_used(source, tmp_path):
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


def test_the_command_builds_those_named(source, tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    source.parent.rename(tmp_path / "notebooks" / "source")
    (tmp_path / "notebooks" / "source" / "08_other.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    asked = []

    def note(path, folder):
        asked.append((path.stem, str(folder)))
        return {"seconds": 1.0, "megabytes": 2}

    monkeypatch.setattr("build_lessons.build", note)
    main(["08"])
    main([])
    main(["07", "--folder", "else/where"])
    assert asked == [("08_other", "notebooks"), ("07_a_lesson", "notebooks"),
                     ("08_other", "notebooks"), ("07_a_lesson", "else/where")]
    assert capsys.readouterr().out.splitlines()[0] == "08_other: 1.0 s, 2 MB"


@pytest.fixture
def project(source, tmp_path, monkeypatch):
    """A project with one lesson and its built notebook; the current folder."""
    (tmp_path / "notebooks").mkdir()
    source.parent.rename(tmp_path / "notebooks" / "source")
    (tmp_path / "notebooks" / "07_a_lesson.ipynb").write_text("with solutions")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *arguments):
    """What the command says when it refuses."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_an_edition_whose_notebook_was_not_built_is_refused_and_nothing_is_written(project, capsys):
    (project / "notebooks" / "07_a_lesson.ipynb").unlink()
    assert "make build NAME=07_a_lesson" in refused(capsys, "--edition", "student")
    assert not (project / "student-edition").exists()


def test_an_edition_of_a_source_with_newer_code_is_refused(built, capsys):
    lesson = built / "notebooks" / "source" / "07_a_lesson.py"
    lesson.write_text(SOURCE.replace("6 * 7", "6 * 8"))
    assert "is not built from" in refused(capsys, "--edition", "instructor")


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("folder", ["notebooks", "./notebooks", "notebooks/source/.."])
def test_an_edition_is_not_written_over_the_shipped_one(project, capsys, folder, edition):
    words = refused(capsys, "--edition", edition, "--folder", folder)
    assert "needs a folder of its own" in words
    assert (project / "notebooks" / "07_a_lesson.ipynb").read_text() == "with solutions"


def test_no_work_in_another_folder_is_overwritten_and_nothing_is_run_for_it(project, capsys,
                                                                          monkeypatch):
    (project / "mine").mkdir()
    (project / "mine" / "07_a_lesson.ipynb").write_text("my answers")
    monkeypatch.setattr("build_lessons.build", lambda *asked: pytest.fail("it was built"))
    for edition in ([], *(["--edition", name] for name in EDITIONS)):
        assert "may hold somebody's work" in refused(capsys, *edition, "--folder", "mine")
    assert (project / "mine" / "07_a_lesson.ipynb").read_text() == "my answers"


def test_a_name_that_no_source_has_is_told_with_the_sources(project, capsys):
    assert "no source begins with 09; there are: 07_a_lesson" in refused(capsys, "07", "09")


def test_what_a_cell_prints_is_stored_as_one_output_however_slowly_it_came(project):
    lesson = project / "notebooks" / "source" / "07_a_lesson.py"
    lesson.write_text("# %%\nprint('a', flush=True)\n"
                      "import time; time.sleep(0.5)\nprint('b', flush=True)\n")
    build(lesson, project / "other")
    outputs = nbformat.read(project / "other" / "07_a_lesson.ipynb", as_version=4).cells[0].outputs
    assert [output.text for output in outputs] == ["a\nb\n"]


def test_the_folder_in_which_a_lesson_was_built_is_not_stored(project):
    lesson = project / "notebooks" / "source" / "07_a_lesson.py"
    lesson.write_text("# %%\nfrom pathlib import Path\nfrom IPython.display import HTML\n"
                      "HTML(f'in {Path.cwd()}/x')\n")
    build(lesson, project / "other")
    output, = nbformat.read(project / "other" / "07_a_lesson.ipynb", as_version=4).cells[0].outputs
    assert output.data["text/html"] == "in notebooks/x"


def test_paths_in_cells_mean_the_same_in_every_folder(project):
    (project / "data.txt").write_text("here")
    (project / "notebooks" / "source" / "07_a_lesson.py").write_text(
        "# %%\nprint(open('../data.txt').read())\n")
    build(project / "notebooks" / "source" / "07_a_lesson.py", project / "deep" / "er")
    assert "here\\n" in (project / "deep" / "er" / "07_a_lesson.ipynb").read_text()


@pytest.fixture
def more(project):
    """The same project with a lesson in a folder below, whose notebook was never built."""
    source = project / "notebooks" / "source" / "more" / "long_story.py"
    source.parent.mkdir()
    source.write_text("# %%\nprint(open('../../data.txt').read())\n# %% [markdown]\n"
                      "# {{solution retention}}\n")
    (project / "data.txt").write_text("here")
    return source


def test_a_lesson_in_a_folder_below_keeps_its_folder_and_runs_there(more, project, capsys):
    main(["more/"])
    assert capsys.readouterr().out.startswith("more/long_story: ")
    built = nbformat.read(project / "notebooks" / "more" / "long_story.ipynb", as_version=4)
    assert [cell.id for cell in built.cells] == ["long-00", "long-01"]
    assert built.cells[0].outputs[0].text == "here\n"
    assert "return after / before" in built.cells[1].source
    assert (project / "notebooks" / "07_a_lesson.ipynb").read_text() == "with solutions"


def test_no_lesson_in_a_folder_below_is_overwritten(more, project, capsys):
    (project / "mine" / "more").mkdir(parents=True)
    (project / "mine" / "more" / "long_story.ipynb").write_text("my answers")
    assert "may hold somebody's work" in refused(capsys, "--folder", "mine")
    assert "needs a folder of its own" in refused(capsys, "--edition", "student", "--folder",
                                                  "notebooks/more")
    assert (project / "mine" / "more" / "long_story.ipynb").read_text() == "my answers"


def test_a_checkpoint_that_jupyter_keeps_is_no_source(more):
    (more.parent / ".ipynb_checkpoints").mkdir()
    (more.parent / ".ipynb_checkpoints" / "long_story-checkpoint.py").write_text("")
    found = sources_in(more.parents[1])
    assert [place_of(path)[1] for path in found] == ["07_a_lesson", "more/long_story"]


LESSON = SOURCE.replace('''# %% [markdown]
# {{solution''', '''# %%
from workbench.course import check


def retention(before, after):
    ...


check("retention", retention)

# %% [markdown]
# {{solution''')
GUIDE = """# For instructors

## 06 Before
Not this.

## 07 A lesson

Ask [first](../notebooks/07_a_lesson.ipynb#x), then [plan](PLANS.md), [read](../README.md) or
[look](https://example.org). [Below](#later)

### Minutes
15

## 08 After
Nor this.
"""


@pytest.fixture
def built(project):
    """The project with a built lesson that has an exercise, its notes, and a glossary."""
    lesson = project / "notebooks" / "source" / "07_a_lesson.py"
    lesson.write_text(LESSON)
    build(lesson, project / "notebooks")
    (project / "notebooks" / "GLOSSARY.md").write_text("words")
    (project / "docs").mkdir()
    (project / "docs" / "INSTRUCTORS.md").write_text(GUIDE)
    return project


@pytest.fixture
def written(built, monkeypatch):
    """Write an edition of the built lesson, without running anything; return its notebook."""
    def write(edition):
        monkeypatch.setattr("build_lessons.build", lambda *asked: pytest.fail("it was run"))
        shipped = (built / "notebooks" / "07_a_lesson.ipynb").read_bytes()
        main(["--edition", edition])
        assert (built / "notebooks" / "07_a_lesson.ipynb").read_bytes() == shipped
        folder = built / f"{edition}-edition"
        assert (folder / "GLOSSARY.md").read_text() == "words"
        return nbformat.read(folder / "07_a_lesson.ipynb", as_version=4)
    return write


def test_in_the_solutions_edition_the_check_says_right(written):
    cell = written("solutions").cells[2]
    assert "return after / before" in cell.source and "    ..." not in cell.source
    assert cell.source.endswith('check("retention", retention)')
    assert [output.text for output in cell.outputs] == ["retention: right!\n"]


def test_the_instructor_s_edition_has_the_notes_after_the_first_cell(written):
    notes = written("instructor").cells[1]
    assert notes.cell_type == "markdown" and notes.id == "07-notes"
    assert notes.source == ("## Notes for the instructor\n\n"
                            "Ask [first](07_a_lesson.ipynb#x), then [plan](../docs/PLANS.md), "
                            "[read](../README.md) or\n[look](https://example.org). "
                            "[Below](#later)\n\n### Minutes\n15")


@pytest.mark.parametrize("guide", ["", "# For instructors\n", GUIDE.replace("## 07", "## 09")])
def test_a_lesson_without_notes_has_no_cell_for_them(built, written, guide):
    (built / "docs" / "INSTRUCTORS.md").write_text(guide)
    assert [cell.id for cell in written("instructor").cells] == ["07-00", "07-01", "07-02", "07-03"]


ROOT = Path(__file__).parents[1]
SOURCES = pytest.mark.parametrize("path", sources_in(ROOT / "notebooks" / "source"),
                                  ids=lambda path: place_of(path)[1])


def cells_of(notebook, kind):
    return {cell.id: cell for cell in notebook.cells
            if cell.cell_type == kind and not cell.id.endswith("-notes")}


@SOURCES
def test_the_editions_of_a_lesson_do_not_drift_from_the_shipped_notebook(path):
    shipped = nbformat.read(target_of(path, ROOT / "notebooks"), as_version=4)
    made = {edition: edition_of(path, edition) for edition in EDITIONS}
    text = path.read_text()
    named = {kind: re.findall(rf"\{{\{{{kind} (\w+)\}}\}}", text)
             for kind in ("exercise", "solution")}
    for edition, notebook in made.items():
        nbformat.validate(notebook)
        code, told = cells_of(notebook, "code"), cells_of(notebook, "markdown")
        assert [*code] == [*cells_of(shipped, "code")]
        assert [*told] == [*cells_of(shipped, "markdown")]
        changed = [cell for id, cell in code.items() if cell != cells_of(shipped, "code")[id]]
        if edition == "solutions":
            checked = [name for cell in changed for name in CHECK.findall(cell.source)]
            assert checked == named["exercise"], "only cells of exercises are changed"
            assert [output.text for cell in changed for output in cell.outputs] == [
                f"{name}: right!\n" for name in checked]
        else:
            assert not changed
        differing = [id for id, cell in told.items()
                     if cell != cells_of(shipped, "markdown")[id]]
        assert bool(differing) == (edition != "instructor" and bool(named["exercise"]))
    assert made["instructor"].metadata == made["student"].metadata == shipped.metadata


@SOURCES
def test_no_solution_and_no_last_hint_is_left_in_the_students_edition(path):
    student, with_ = edition_of(path, "student"), json.dumps(read_source(path))
    without, solved = json.dumps(student), set()
    for name, exercise in exercises.items():
        body = json.dumps(inspect.getsource(exercise.solution).split('"""')[2].strip())[1:-1]
        assert body not in without, name
        assert json.dumps(exercise.hints[-1])[1:-1] not in without, name
        solved |= {name} if body in with_ else set()
    assert solved == set(re.findall(r"\{\{solution (\w+)\}\}", path.read_text()))


@SOURCES
def test_in_the_solutions_edition_the_functions_that_are_graded_are_right(path):
    cells = [cell.source for cell in edition_of(path, "solutions").cells
             if cell.cell_type == "code"]
    for name in re.findall(r"\{\{exercise (\w+)\}\}", path.read_text()):
        names = {}
        exec(compile(needed(cells, name), path.stem, "exec"), names)
        exercises[name].check(names[name])
