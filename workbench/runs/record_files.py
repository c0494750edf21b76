"""Reading and checking the files of a run."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import RecordError
from workbench.measure.accuracies import Floats
from workbench.system.files import read_checked, unusable

FORMAT, VERSION = "workbench-run", 3
ARRAYS = ("accuracy", "baseline", "losses", "curve", "old_accuracy", "diagnostics",
          "diagnostics_curve")
"""The arrays in the ``.npz`` file of a run."""


def read_run_json(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json`` after checking its format and version."""
    path = folder / "run.json"
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise RecordError(f"{folder} holds no run.json: not the folder of a run. "
                          "Give the folder named by --out.") from None
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}. Give the folder named by --out.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RecordError(f"{path} is damaged: {error}. Restore it from a copy; the other files in "
                          "the folder have not been touched.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise RecordError(f"{path}: expected \"format\": \"{FORMAT}\": written by another program?")
    version = content.get("version")
    if version != VERSION:
        older = isinstance(version, int) and version < VERSION
        remedy = "Run again into another folder." if older else "Update it: git pull && make env"
        raise RecordError(f"{path} has version {version!r}; this workbench reads version "
                          f"{VERSION}. {remedy}")
    return content


def file_entry(folder: Path, run_json: dict[str, Any], kind: str) -> dict[str, str]:
    """Return the entry of ``run.json`` that names a file and its hash."""
    files = run_json.get("files")
    entry = files.get(kind) if isinstance(files, dict) else None
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str)
                                              for key in ("file", "sha256")):
        raise unusable(folder / "run.json",
                       f"it names no {kind} file with its sha256 (files.{kind})")
    return entry


def read_both(folder: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return ``run.json`` and the arrays it names, also while the run is being written."""
    older = read_run_json(folder)
    try:
        return older, read_arrays(folder, older)
    except RecordError:
        newer = read_run_json(folder)
        if newer == older:  # otherwise a checkpoint has replaced both files between the two reads
            raise
        return newer, read_arrays(folder, newer)


def read_arrays(folder: Path, run_json: dict[str, Any]) -> dict[str, Floats]:
    """Return the arrays of a record, checked against the hash in its ``run.json``."""
    entry = file_entry(folder, run_json, "arrays")
    content = read_checked(folder, entry)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ARRAYS}
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise unusable(folder / entry["file"], f"not the arrays of a run: {error}") from error
