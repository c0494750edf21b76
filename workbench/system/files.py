"""Files: written atomically, checked against hashes, locked; and strict JSON."""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import filelock

from workbench.errors import RecordError


def sha256(content: bytes) -> str:
    """Return the sha256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def to_json(value: Any, indent: int | None = None) -> str:
    """Return plain values as strict JSON (RFC 8259); NaN and infinity become null.

    Python's own writer writes NaN and Infinity, and browsers and jq then refuse the whole text. A
    value that JSON does not have, such as a NumPy array, raises TypeError.
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
    """Write a file so that at any moment its old or its new content is complete.

    The content is written to a file beside it and flushed to the disk; that file is then renamed.
    If writing fails, as on a full disk, `RecordError` is raised and the old file is unchanged.
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
                          "before is intact. Free some space (or correct the folder's "
                          "permissions) and resume.") from error


def require_new_folder(folder: Path) -> None:
    """Raise `RecordError` if a folder cannot be created, or has files that could be overwritten.

    A run that was killed before its first ``run.json`` leaves a lock and temporary files; such a
    folder can be used.
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
    """Write files by name into a folder, without overwriting any.

    If one of them exists with other content, none is written and `RecordError` is raised.
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
    """Return the content of the file that `entry` names by its ``file`` and ``sha256``.

    Raises `RecordError` if the file is missing or has another hash.
    """
    path = folder / Path(entry["file"]).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unusable(path, f"{error.strerror}; the run's record names it") from error
    digest = sha256(content)
    if digest != entry["sha256"]:
        raise unusable(path, f"it is damaged or has been replaced: sha256 {digest[:12]}…, recorded "
                             f"{entry['sha256'][:12]}… ({len(content)} bytes)")
    return content


def unusable(path: Path, fault: object) -> RecordError:
    """Return the error about a file of a run that is missing or cannot be used."""
    return RecordError(f"{path}: {fault}. Restore it from a copy, or run again into another "
                       "folder.")


@contextlib.contextmanager
def locked(folder: Path, check: Callable[[Path], object] = lambda folder: None) -> Iterator[None]:
    """Create a folder if necessary, and hold its lock inside the block.

    `check` raises an error for a folder that cannot be used; it is called before the folder is made
    and again with the lock, since another run may have begun. The operating system releases the
    lock when the process ends. `RecordError` is raised if another run holds the lock, or the folder
    cannot be created.
    """
    check(folder)
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
        check(folder)
        yield
    finally:
        lock.release()
