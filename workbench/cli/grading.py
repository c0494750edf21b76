"""The command ``grade``: the checks of the exercises on handed-in notebooks, as a table."""

import csv
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import tyro

from workbench.cli.parsing import parse
from workbench.errors import RecordError, positive, whole


@dataclass(frozen=True)
class Grade:
    """Options of `grade`."""

    folder: tyro.conf.Positional[Path]
    """Folder of the handed-in notebooks, such as one folder for each student."""
    out: Path = Path("grades.csv")
    """A new file for the table."""
    time_limit: float = 30
    """Seconds that the code of one notebook may run; each exercise gets an equal share."""
    jobs: int = 2
    """Number of notebooks that are graded at the same time."""


def grade(words: list[str]) -> int:
    """Check the exercises in handed-in notebooks, each in a sandbox; write a table."""
    from workbench.course import grading

    options = parse(Grade, words, grade)
    positive(**{"--time-limit": options.time_limit})
    whole(**{"--jobs": options.jobs})
    files = grading.handed_in(options.folder)
    try:
        file = options.out.open("x", encoding="utf-8", newline="")
    except FileExistsError:
        raise RecordError(f"{options.out} exists and is left as it is. Give another file with "
                          "--out, or move it away.") from None
    except OSError as error:
        raise RecordError(f"could not make {options.out}: {error.strerror}. Give another file "
                          "with --out.") from error
    rows = passed = 0
    with file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([field.name for field in fields(grading.Grade)])
        for grades in grading.grade_all(files, options.folder, options.time_limit, options.jobs):
            # Row by row, so that an interrupted command keeps what it has.
            table.writerows(map(astuple, grades))
            file.flush()
            right = sum(row.passed == "yes" for row in grades)
            print(f"{grades[0].notebook}: {right} of {len(grades)} passed", flush=True)
            rows, passed = rows + len(grades), passed + right
    print(f"{len(files)} files, {passed} of {rows} passed: {options.out}")
    return 0
