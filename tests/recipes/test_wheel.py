"""The project as an installed wheel, away from its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

READ_EVERYTHING = """
import sys, workbench
from pathlib import Path
from workbench.models.loading import find_model
from workbench.models.verify import check_manifest
from workbench.system.provenance import data_path, git_revision, project_root, restore
from workbench.runs.studies import load_study
from workbench.tasks import load_skill
assert len(load_skill("facts-new")) > 100
for name in ("tiny", "nano"):
    check_manifest(find_model(name), required=True)
assert len(load_study("many_skills"))
assert project_root() is None and git_revision() is None
assert "--force-reinstall" in restore(data_path("models"))
files = [p.relative_to(data_path()).as_posix() for p in data_path().rglob("*") if p.is_file()]
print(Path(workbench.__file__).parent, *sorted(files), sep="\\n")
"""


def test_an_installed_wheel_finds_all_of_its_data(tmp_path):
    source, wheels, target = tmp_path / "source", tmp_path / "wheels", tmp_path / "installed"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("workbench", "data"):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation",
                    "--wheel-dir", wheels, source], check=True)
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--target", target,
                    *wheels.iterdir()], check=True)
    shutil.rmtree(source)
    done = subprocess.run([sys.executable, "-c", READ_EVERYTHING], cwd=tmp_path, text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(target)})
    assert done.returncode == 0, done.stderr
    package, *files = done.stdout.splitlines()
    assert Path(package) == target / "workbench"
    assert files == sorted(p.relative_to(ROOT / "data").as_posix()
                           for p in (ROOT / "data").rglob("*") if p.is_file())
