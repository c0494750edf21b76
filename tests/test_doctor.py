"""The doctor: what it looks at, when it says ready, and the one command that mends a fault."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections import namedtuple
from importlib import metadata
from types import SimpleNamespace

import psutil
import pytest

from workbench import cli
from workbench import doctor as examined
from workbench.doctor import EXTRAS, Check, Report, doctor
from workbench.models import loading

FINE = Check("a", "fine")
BROKEN = Check("b", "broken", False, fix="make env")
LUXURY = Check("c", "none", False, needed=False, fix="buy one")


@pytest.fixture
def healthy(monkeypatch):
    """A machine with room enough and every optional thing, whatever this one is like."""
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
            found = versions.get(name.replace("-", "_"), real)
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return real(name) if found is real else found

        monkeypatch.setattr(metadata, "version", version)
    return change


def find(report: Report, name: str) -> Check:
    return next(check for check in report.checks if check.name == name)


def test_everything_that_matters_is_looked_at(healthy):
    names = [check.name for check in doctor().checks]
    assert names == ["Python", "packages", "device", "threads", "free memory", "free disk",
                     "Chromium", *(f"extra [{extra}]" for extra in EXTRAS), "model tiny",
                     "model nano"]


def test_a_damaged_model_is_named_and_the_rest_can_run(healthy, monkeypatch, tmp_path):
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "manifest.json").write_text('{"sha256": {"model.safetensors": "0"}}')
    monkeypatch.setitem(loading.SHIPPED, "tiny", tmp_path / "lm")
    report = doctor()
    found = find(report, "model tiny")
    assert not found.ok and "model.safetensors is missing" in found.value
    assert found.fix == "git checkout -- data/models/lm" and report.ready
    assert find(report, "model nano").value == "whole"


def test_a_healthy_machine_is_ready(healthy):
    report = doctor()
    assert report.ready and report.verdict() == "Ready: the course can run here."
    assert find(report, "Python").value == platform.python_version()
    assert f"numpy {metadata.version('numpy')}" in find(report, "packages").value
    assert find(report, "device").value.split()[0] in ("cpu", "cuda", "mps")
    assert find(report, "free memory").value == "8.0 GB"
    assert find(report, "free disk").value == "80.0 GB"
    assert find(report, "Chromium").value == "/usr/bin/chromium"


def test_a_missing_package_is_named_with_the_command_that_mends_it(healthy, without):
    without(safetensors=None)
    report = doctor()
    check = find(report, "packages")
    assert (check.ok, check.value, check.fix) == (False, "safetensors is not installed", "make env")
    assert report.verdict() == "Not ready yet. First: make env"


def test_a_package_of_another_version_is_named_with_both_versions(healthy, without):
    without(ipywidgets="7.6")
    check = find(doctor(), "packages")
    assert not check.ok and check.fix == "make env"
    assert check.value == "ipywidgets is 7.6, wanted <9,>=8.1.5"


def test_without_pytorch_and_psutil_it_still_reports(healthy, without):
    without(torch=None, psutil=None)
    report = doctor()
    assert not report.ready
    assert find(report, "device").value == "unknown without PyTorch"
    assert find(report, "free memory").value == "unknown without psutil"
    assert find(report, "device").fix == find(report, "free memory").fix == "make env"


def test_too_little_memory_is_told_with_what_to_do(healthy, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1.2e9))
    report = doctor()
    assert not report.ready and find(report, "free memory").value == "1.2 GB"
    assert report.verdict().endswith("close other programs: 2 GB should be free")


def test_too_little_disk_is_told_with_what_to_do(healthy, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1e9))
    report = doctor()
    assert not report.ready and "First: make clean" in report.verdict()


def test_an_old_python_is_told_with_the_version_that_is_needed(healthy, monkeypatch):
    Version = namedtuple("Version", "major minor micro releaselevel serial")
    monkeypatch.setattr(sys, "version_info", Version(3, 10, 4, "final", 0))
    monkeypatch.setattr(platform, "python_version", lambda: "3.10.4")
    report = doctor()
    assert not report.ready and find(report, "Python").value == "3.10.4"
    assert report.verdict().endswith(
        "install Python 3.11 or newer, then: make env PYTHON=python3.11")


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
    said = json.loads(Report([FINE, BROKEN]).to_json())
    assert said == {"ready": False, "checks": [
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
