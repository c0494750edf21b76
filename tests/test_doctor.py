"""The doctor: what it checks, when it says ready, and remedies that repair each fault."""

from __future__ import annotations

import ast
import json
import os
import platform
import shlex
import shutil
import sys
import sysconfig
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from packaging.requirements import Requirement

from workbench import cli
from workbench.course import doctor as examined
from workbench.course.doctor import EXTRAS, LESSON_EXTRAS, Check, Report, doctor, requirements
from workbench.models import loading
from workbench.system import provenance
from workbench.tasks import text

ROOT = Path(__file__).parent.parent
OWN = provenance.package_folder().resolve()
REAL_INSTALLED = provenance.installed_package

FINE = Check("a", "fine")
BROKEN = Check("b", "broken", False, fix="make env")
LUXURY = Check("c", "none", False, needed=False, fix="buy one")


@pytest.fixture
def healthy(monkeypatch):
    """A machine with everything that can be checked, whatever this one is like."""
    monkeypatch.setattr(provenance, "installed_package", lambda: OWN)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8e9))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=80e9))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.fixture
def without(monkeypatch):
    """Make packages look as if they were missing, or of another version."""
    def change(**versions):
        real = metadata.version

        def version(name):
            result = versions.get(name.replace("-", "_"), real)
            if result is None:
                raise metadata.PackageNotFoundError(name)
            return real(name) if result is real else result

        monkeypatch.setattr(metadata, "version", version)
    return change


def find(report: Report, name: str) -> Check:
    return next(check for check in report.checks if check.name == name)


def test_everything_that_matters_is_checked(healthy):
    names = [check.name for check in doctor().checks]
    assert names == ["Python", "workbench", "packages", "device", "threads", "free memory",
                     "free disk", "Chromium", *(f"extra [{extra}]" for extra in EXTRAS),
                     "model tiny", "model nano", "model digits", "embeddings of the intents",
                     "text skills", "model smollm2-135m"]


def test_a_damaged_model_is_named_with_its_remedy_and_the_course_cannot_run(healthy, monkeypatch,
                                                                           tmp_path):
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "manifest.json").write_text('{"sha256": {"model.safetensors": "0"}}')
    monkeypatch.setitem(loading.SHIPPED, "tiny", tmp_path / "lm")
    report = doctor()
    check = find(report, "model tiny")
    assert not check.ok and "model.safetensors is missing" in check.value
    assert check.fix == provenance.restore(tmp_path / "lm") and not report.ready
    assert report.verdict() == f"Not ready yet. First: {check.fix}"
    assert find(report, "model nano").value == "complete"


def test_a_text_skill_that_is_missing_or_damaged_is_named_with_its_remedy(healthy, monkeypatch,
                                                                         tmp_path):
    shutil.copytree(text.SKILLS_FOLDER, tmp_path / "skills")
    monkeypatch.setattr(text, "SKILLS_FOLDER", tmp_path / "skills")
    assert doctor().ready
    file = tmp_path / "skills" / "facts-new.jsonl"
    for damage in (lambda: file.write_text(file.read_text()[:-20]), file.unlink):
        damage()
        report = doctor()
        check = find(report, "text skills")
        assert "facts-new.jsonl" in check.value and not report.ready
        assert check.fix == provenance.restore(provenance.data_path("skills"))


def test_a_healthy_machine_is_ready(healthy):
    report = doctor()
    assert report.ready and report.verdict() == "Ready: the course can run here."
    assert find(report, "Python").value == platform.python_version()
    assert f"numpy {metadata.version('numpy')}" in find(report, "packages").value
    assert find(report, "device").value.split()[0] in ("cpu", "cuda", "mps")
    assert find(report, "free memory").value == "8.0 GB"
    assert find(report, "free disk").value == "80.0 GB"
    assert find(report, "Chromium").value == "/usr/bin/chromium"


def test_a_missing_package_is_named_with_the_command_that_installs_it(healthy, without,
                                                                     monkeypatch):
    without(safetensors=None)
    monkeypatch.setattr(sys, "prefix", "/elsewhere")
    report = doctor()
    check = find(report, "packages")
    assert (check.ok, check.value) == (False, "safetensors is not installed")
    assert shlex.split(check.fix) == [sys.executable, "-m", "pip", "install", "-c",
                                      str(ROOT / "constraints.txt"), "safetensors>=0.5"]
    assert report.verdict() == f"Not ready yet. First: {check.fix}"


def test_in_the_environment_of_make_the_remedy_is_make_which_is_told_to_install_again(
        healthy, without, monkeypatch):
    without(safetensors=None)
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    assert find(doctor(), "packages").fix == f"make -C {ROOT} -B env"


def test_a_package_that_a_lesson_needs_makes_its_extra_needed(healthy, without):
    without(peft=None)
    report = doctor()
    check = find(report, "extra [models]")
    assert check.value == "peft is not installed" and check.needed
    assert not report.ready and report.verdict() == f"Not ready yet. First: {check.fix}"


def modules(source: str) -> set[str]:
    """Return the dotted names of everything that a module imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_what_lessons_import_directly_or_through_the_package_is_what_the_doctor_needs():
    waiting = set().union(*(modules(p.read_text(encoding="utf-8"))
                            for p in (ROOT / "notebooks" / "source").rglob("*.py")))
    assert "workbench" in waiting
    waiting |= {f"workbench.{home}" for home in ("models", "tasks", "widgets", "learners.text")}
    reached, imported = set(), set()
    while waiting:
        name = waiting.pop()
        reached.add(name)
        path = OWN.parent.joinpath(*name.split("."))
        files = [f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()]
        for file in files:
            waiting |= modules(file.read_text(encoding="utf-8")) - reached
        imported.add(name.split(".")[0])
    needed = {Requirement(r).name.lower() for extra in (None, *LESSON_EXTRAS)
              for r in requirements(extra)}
    homes = metadata.packages_distributions()
    homes = {name: {home.lower() for home in homes[name]} for name in imported & set(homes)}
    assert {"torch", "transformers", "peft"} <= set(homes)
    # IPython comes with ipykernel, huggingface_hub with transformers.
    brought = {"IPython", "huggingface_hub", "workbench"}
    assert {name for name, by in homes.items() if not by & needed} <= brought


def test_a_package_of_another_version_is_named_with_both_versions(healthy, without):
    without(ipywidgets="7.6")
    check = find(doctor(), "packages")
    assert not check.ok and check.fix == provenance.install_command("ipywidgets<9,>=8.1.5")
    assert check.value == "ipywidgets is 7.6, wanted <9,>=8.1.5"


def test_without_pytorch_and_psutil_it_still_reports(healthy, without):
    without(torch=None, psutil=None)
    report = doctor()
    assert not report.ready
    assert find(report, "device").value == "unknown without PyTorch"
    assert find(report, "free memory").value == "unknown without psutil"
    assert find(report, "device").fix == provenance.install_command("torch")
    assert find(report, "free memory").fix == provenance.install_command("psutil")


def test_too_little_memory_is_told_with_what_to_do(healthy, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1.2e9))
    report = doctor()
    assert not report.ready and find(report, "free memory").value == "1.2 GB"
    assert report.verdict().endswith("close other programs: 2 GB should be free")


def test_too_little_disk_is_told_with_what_to_do(healthy, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1e9))
    report = doctor()
    assert not report.ready
    assert "First: remove files until 2 GB are free" in report.verdict()


@pytest.mark.parametrize(("minor", "ready"), [(10, False), (11, True), (13, True), (14, False)])
def test_a_python_without_wheels_of_all_packages_is_not_ready(minor, ready, healthy, monkeypatch):
    Version = namedtuple("Version", "major minor micro releaselevel serial")
    monkeypatch.setattr(sys, "version_info", Version(3, minor, 4, "final", 0))
    monkeypatch.setattr(platform, "python_version", lambda: f"3.{minor}.4")
    report = doctor()
    check = find(report, "Python")
    assert check.value == f"3.{minor}.4" and check.ok is report.ready is ready
    assert check.fix == ("install Python 3.13 (3.11 is the oldest that works), then: "
                         "make env PYTHON=python3.13")


@pytest.fixture
def another(tmp_path, monkeypatch):
    """Another package called `workbench`, first on the path."""
    (tmp_path / "workbench").mkdir()
    (tmp_path / "workbench" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return (tmp_path / "workbench").resolve()


def test_another_package_of_this_name_first_on_the_path_is_reported(healthy, another, monkeypatch):
    report = doctor()
    check = find(report, "workbench")
    assert check.value == f"another package of this name comes first on the path: {another}"
    assert not report.ready and check.fix == f"rename or remove {another}"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/elsewhere", str(another.parent)]))
    assert find(doctor(), "workbench").fix == "unset PYTHONPATH"


def test_another_module_of_this_name_first_on_the_path_is_reported(healthy, another):
    shutil.rmtree(another)
    another.with_suffix(".py").touch()
    assert find(doctor(), "workbench").fix == f"rename or remove {another}.py"


def test_the_remedies_for_another_package_work(healthy, another, monkeypatch):
    another.rename(another.with_name("other"))
    assert doctor().ready


def test_the_code_of_another_folder_than_the_installed_one_is_reported(healthy, monkeypatch):
    monkeypatch.setattr(provenance, "installed_package", lambda: Path("/old/workbench"))
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    report = doctor()
    check = find(report, "workbench")
    assert check.value == f"{OWN} is running, but /old/workbench is installed"
    assert not report.ready and check.fix == f"make -C {ROOT} -B env"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert find(doctor(), "workbench").fix == "unset PYTHONPATH"


def test_a_package_that_is_not_installed_is_reported(healthy, without, monkeypatch):
    monkeypatch.setattr(metadata, "distributions", lambda **_: iter([]))
    monkeypatch.setattr(metadata, "requires", lambda name: metadata.distribution("no-such-thing"))
    monkeypatch.setattr(provenance, "installed_package", REAL_INSTALLED)
    monkeypatch.setattr(sys, "prefix", "/elsewhere")
    report = doctor()
    check = find(report, "workbench")
    assert check.value == f"{OWN} is not installed in this environment" and not report.ready
    assert shlex.split(check.fix)[-2:] == ["-e", f"{ROOT}[models,retrieval]"]


def test_an_environment_knows_which_folder_it_was_installed_from(tmp_path, monkeypatch):
    info = tmp_path / "site" / "workbench-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: workbench\nVersion: 1.0\n")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(info.parent))
    assert provenance.installed_package() == info.parent / "workbench", "from a wheel"
    project = tmp_path / "my project"
    for editable in (False, True):
        (info / "direct_url.json").write_text(json.dumps(
            {"url": project.as_uri(), "dir_info": {"editable": editable}}))
        folder = project if editable else info.parent
        assert provenance.installed_package() == folder / "workbench"


def test_what_is_optional_does_not_stand_in_the_way(healthy, without, monkeypatch):
    without(playwright=None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("OMP_NUM_THREADS")
    report = doctor()
    assert report.ready
    assert find(report, "extra [test]").value == "playwright is not installed"
    assert "apt-get install chromium" in find(report, "Chromium").fix
    assert "make lab" in find(report, "threads").fix
    assert all(not find(report, n).ok for n in ("extra [test]", "Chromium", "threads"))


def test_the_first_fault_that_matters_is_the_verdict():
    report = Report([LUXURY, FINE, BROKEN, Check("d", "worse", False, fix="make clean")])
    assert report.verdict() == "Not ready yet. First: make env"
    assert Report([FINE, LUXURY]).ready and not report.ready


def test_the_table_marks_each_thing_and_gives_the_fix_of_faults_only():
    lines = str(Report([FINE, BROKEN, LUXURY])).splitlines()
    assert [line.split()[0] for line in lines if line] == [
        "ok", "MISSING", "→", "optional", "→", "Not"]
    assert "→ make env" in lines[2] and "→ buy one" in lines[4]


def test_json_has_the_verdict_and_every_check():
    printed = json.loads(Report([FINE, BROKEN]).to_json())
    assert printed == {"ready": False, "checks": [
        {"name": "a", "value": "fine", "ok": True, "needed": True, "fix": ""},
        {"name": "b", "value": "broken", "ok": False, "needed": True, "fix": "make env"}]}


def test_the_command_prints_json_and_tells_by_its_exit_code(healthy, monkeypatch, capsys):
    for report, code in ((Report([FINE]), 0), (Report([BROKEN]), 1)):
        monkeypatch.setattr(examined, "doctor", lambda report=report: report)
        monkeypatch.setattr(sys, "argv", ["workbench", "doctor", "--json"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert (ended.value.code or 0) == code
        assert json.loads(capsys.readouterr().out)["ready"] is (code == 0)


def test_html_escapes_what_was_found():
    text = Report([Check("<b>", "1 < 2 & <script>", False, fix="rm '<x>'")])._repr_html_()
    assert "<script>" not in text and "<b>" not in text and "<x>" not in text
    assert "1 &lt; 2 &amp; &lt;script&gt;" in text and "&lt;x&gt;" in text


def test_html_gives_no_fix_where_nothing_is_to_be_mended():
    assert "make env" not in Report([Check("a", "fine", fix="make env")])._repr_html_()
    assert "make env" in Report([BROKEN])._repr_html_()


def test_a_stored_notebook_keeps_the_verdict_only():
    written = []
    Report([FINE])._repr_pretty_(SimpleNamespace(text=written.append), False)
    assert written == ["Ready: the course can run here."]
