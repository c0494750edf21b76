"""Files that are there whole or not at all, are what their hash says, and hold strict JSON."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import filelock

from workbench.errors import RecordError


def sha256(content: bytes) -> str:
    """Return the sha256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def to_json(value: Any, indent: int | None = None) -> str:
    """Return a value as strict JSON (RFC 8259), in which every number is finite.

    Python's own writer puts NaN and Infinity, which are not JSON: browsers, jq and other languages
    refuse the whole text. Here they become null.

    Parameters
    ----------
    value : dict, list, tuple, str, float, int, bool or None
        Nested as deep as needed.
    indent : int, optional
        Spaces for each level; by default everything stands on one line.

    Raises
    ------
    TypeError
        If a value is of another type, such as a NumPy array.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new content is there.

    The content goes to a neighbouring file, is flushed to the disk, and then takes the name.

    Raises
    ------
    RecordError
        If the disk is full or refuses. What was there before is still there.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise RecordError(f"could not write {path}: {error.strerror or error}. What was saved "
                          "before is intact. Free some space (or mend the folder's permissions) "
                          "and resume.") from error


def require_new_folder(folder: Path) -> None:
    """Refuse an output folder that already holds files, or that cannot be made.

    Called before anything is computed, and again once the folder is locked. A run that was killed
    before its first ``run.json`` leaves a lock and files that nothing names; such a folder can be
    used.

    Raises
    ------
    RecordError
        If files in the folder could be overwritten, or it cannot be a folder that is written to.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise RecordError(f"could not make {folder}: {existing} is a file. Give another folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise RecordError(f"could not make {folder}: writing to {existing} is not allowed. Give "
                          "another folder.")
    names = sorted(os.listdir(folder)) if existing == folder else []
    leftovers = [".lock", ".*.partial"]
    if ".lock" in names:
        leftovers += ["checkpoint-*.safetensors", "arrays-*.npz"]
    runs = {"run.json", "training.json"}.intersection(names)
    other = [name for name in names if runs or not any(fnmatch(name, p) for p in leftovers)]
    if other:
        content = "a run" if runs else ", ".join(other[:3]) + (" and more" if other[3:] else "")
        remedy = "Continue it with --resume, or give" if runs else "Give"
        raise RecordError(f"{folder} already holds {content}, which is left as it is. {remedy} "
                          "another folder, a new or an empty one.")


def write_new_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files by name into a folder, all of them or none, and overwrite nothing.

    Raises
    ------
    RecordError
        If one of them exists with other content, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = {name: (folder / name).read_bytes() for name in contents
                   if (folder / name).exists()}
    except OSError as error:
        raise RecordError(f"could not make {folder}: {error.strerror}. Give another "
                          "folder.") from error
    changed = [name for name, content in present.items() if content != contents[name]]
    if changed:
        raise RecordError(f"{folder / changed[0]} exists with other content, which is left as it "
                          "is. Give another folder with --out, or move the file away.")
    for name in contents.keys() - present.keys():
        write_atomically(folder / name, contents[name])


def read_checked(folder: Path, entry: dict[str, str]) -> bytes:
    """Return the content of a file after comparing it with its recorded hash.

    Parameters
    ----------
    folder : Path
        Where it is.
    entry : dict
        ``file``, its name, and ``sha256``, the hash recorded when it was written.

    Raises
    ------
    RecordError
        If it is missing or is not what was written.
    """
    path = folder / Path(entry["file"]).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}; the run's record names it. Restore it "
                          "from a copy, or run again into another folder.") from error
    found = sha256(content)
    if found != entry["sha256"]:
        raise RecordError(f"{path} is damaged or has been replaced: sha256 {found[:12]}…, recorded "
                          f"{entry['sha256'][:12]}… ({len(content)} bytes). Restore it from a copy,"
                          " or run again into another folder.")
    return content


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder if need be, and keep other processes that lock it out inside the block.

    The lock is the operating system's and goes when the process goes.

    Raises
    ------
    RecordError
        If another process is at work in the folder, or it cannot be made.
    """
    lock = filelock.FileLock(folder / ".lock", blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise RecordError(f"{folder} is in use by another run. Wait for it, or give another "
                          "folder.") from None
    except OSError as error:
        raise RecordError(f"could not make {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
