"""A model folder's manifest: the sha256 of every file in it, checked before any is read."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.errors import ModelError
from workbench.files import sha256, to_json, write_atomically

MANIFEST = "manifest.json"


def write_manifest(folder: Path) -> None:
    """Write the manifest of a folder over all files there are, its card and itself excepted."""
    files = {path.name: sha256(path.read_bytes()) for path in sorted(folder.iterdir())
             if path.is_file() and path.suffix != ".md" and path.name != MANIFEST
             and not path.name.startswith(".")}
    write_atomically(folder / MANIFEST, (to_json({"sha256": files}, indent=2) + "\n").encode())


def check_manifest(folder: Path, required: bool = False) -> None:
    """Compare a folder with its manifest; one without a manifest is taken as it is.

    Parameters
    ----------
    folder : Path
        Of a model.
    required : bool
        Whether there has to be a manifest, as there is in the models of the course.

    Raises
    ------
    ModelError
        If the manifest is missing though required, or cannot be read, or a file is missing,
        damaged, another one, or (cards apart) not listed.
    """
    path = folder / MANIFEST
    if not path.exists():
        if required:
            raise ModelError(f"{path} is missing. {REMEDY}")
        return
    try:
        recorded = dict(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a manifest ({type(error).__name__}: {error}). Expected "
                         f'{{"sha256": {{file: hash}}}}. {REMEDY}') from error
    for name, expected in recorded.items():
        file = folder / Path(name).name
        if not file.is_file():
            raise ModelError(f"{file} is missing; {MANIFEST} names it. {REMEDY}")
        found = sha256(file.read_bytes())
        if found != expected:
            raise ModelError(f"{file} is damaged or has been replaced: sha256 {found[:12]}…, "
                             f"{MANIFEST} has {str(expected)[:12]}…. {REMEDY}")
    for file in sorted(folder.iterdir()):
        if file.suffix in LOADED and file.name not in {*recorded, MANIFEST}:
            raise ModelError(f"{file} is not listed in {MANIFEST}: the folder was made without it. "
                             f"Remove it. {REMEDY}")


LOADED = (".safetensors", ".json", ".jinja", ".model", ".bin", ".pt", ".pth")
"""Endings of files that loading a model may read."""
REMEDY = ("Restore the folder (git checkout does it for those of the course), or make the model "
          "again in another one with workbench pretrain.")
