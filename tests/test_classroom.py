"""A class on one server: a private copy for each student, one project, limits, and who gets in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from classroom import CONFIG, Student, classroom

ROOT = Path(__file__).parent.parent
PROXY = Path(sys.executable).with_name("configurable-http-proxy")
ALONE = """
import os, resource
from pathlib import Path
import workbench
assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 2 * 1024**3
assert os.getcwd() == str(Path.home() / "course" / "my-course")
assert os.environ["OMP_NUM_THREADS"] == "1"
Path("00_start_here.ipynb").write_text("my answers")
Path("secret.txt").touch()
assert Path("secret.txt").stat().st_mode & 0o077 == 0
assert Path("../data").resolve() == Path(workbench.__file__).parents[1] / "data"
assert Path("../notebooks/00_start_here.ipynb").read_text() != "my answers"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("class")


@pytest.fixture(scope="module")
def url(place):
    with classroom(place, ["anna", "bert"], CLASS_PROXY=str(PROXY), CLASS_GB="2") as address:
        yield address


def test_students_have_a_copy_each_and_share_the_project(url, place):
    shipped = (ROOT / "notebooks" / "00_start_here.ipynb").read_bytes()
    anna, bert = Student(url, "anna"), Student(url, "bert")
    anna.sign_in()
    bert.sign_in()
    anna.run([ALONE])
    assert (place / "anna/course/my-course/00_start_here.ipynb").read_text() == "my answers"
    assert (place / "bert/course/my-course/00_start_here.ipynb").read_bytes() == shipped
    assert (ROOT / "notebooks" / "00_start_here.ipynb").read_bytes() == shipped
    answer = requests.get(f"{url}/user/anna/api/contents/my-course/secret.txt",
                          headers={"Authorization": f"token {bert.token}"}, timeout=60)
    assert answer.status_code == 403, "the server of anna lets only anna in"


def test_nobody_gets_in_with_another_name_or_password(url):
    Student(url, "anna").sign_in()
    for name, password in (("anna", "another password"), ("carl", "a long password")):
        with pytest.raises(requests.HTTPError, match="403"):
            Student(url, name).sign_in(password)


@pytest.mark.parametrize(("names", "fault"), [
    (None, "students.txt is missing: write the names of the class into it"),
    ("anna\nBert B.\n", "line 2: 'Bert B.' cannot be the name of an account"),
    ("root\n", "line 1: 'root' is an account of the system itself")])
def test_a_class_without_a_proper_list_is_told_what_to_write(tmp_path, names, fault):
    if names:
        (tmp_path / "students.txt").write_text(names)
    code = ("from traitlets.config import Config as get_config\n"
            f"__file__ = {str(CONFIG)!r}\nexec(open(__file__).read())")
    done = subprocess.run([sys.executable, "-c", code],
                          env={"CLASS_STATE": str(tmp_path), "CLASS_HOMES": str(tmp_path)},
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert fault in done.stderr


def test_the_image_and_the_guide_name_what_is_there():
    for text in ((ROOT / "Dockerfile").read_text(), (ROOT / "docs" / "CLASSROOM.md").read_text()):
        for extras in re.findall(r"EXTRAS=([\w,]+)", text):
            declared = (ROOT / "pyproject.toml").read_text()
            assert all(re.search(rf"^{extra} = \[", declared, re.M) for extra in extras.split(","))
        assert str(CONFIG.relative_to(ROOT)) in text
    guide = (ROOT / "docs" / "CLASSROOM.md").read_text()
    assert set(re.findall(r"^\| `(CLASS_\w+)`", guide, re.M)) == set(
        re.findall(r"CLASS_[A-Z]+", CONFIG.read_text()))
