"""The manifest of a model folder: the sha256 of every file, checked before any is read."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.errors import ModelError
from workbench.system.files import sha256, to_json, write_atomically
from workbench.system.provenance import restore

MANIFEST = "manifest.json"
LOADED = (".safetensors", ".json", ".jinja", ".model", ".bin", ".pt", ".pth")
"""Endings of files that loading a model may read."""


def write_manifest(folder: Path) -> None:
    """Write the manifest of a folder over all its files but itself, cards and hidden files."""
    files = {path.name: sha256(path.read_bytes()) for path in sorted(folder.iterdir())
             if path.is_file() and path.suffix != ".md" and path.name != MANIFEST
             and not path.name.startswith(".")}
    write_atomically(folder / MANIFEST, (to_json({"sha256": files}, indent=2) + "\n").encode())


def check_manifest(folder: Path, required: bool = False) -> None:
    """Compare a folder with its manifest; without one, nothing is checked unless it is `required`.

    Raises
    ------
    ModelError
        If a required manifest is missing, the manifest cannot be read, or a file is missing,
        changed, or not listed.
    """
    fault = _fault(folder, required)
    if fault:
        raise ModelError(f"{fault} Restore the folder, or make the model again in another one with "
                         f"workbench pretrain. {restore(folder)}")


def _fault(folder: Path, required: bool) -> str:
    """Return a description of the fault of a folder, or an empty text."""
    path = folder / MANIFEST
    if not path.exists():
        return f"{path} is missing." if required else ""
    try:
        recorded = dict(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        return (f"{path} is not a manifest ({type(error).__name__}: {error}). Expected "
                '{"sha256": {file: hash}}.')
    for name, expected in recorded.items():
        file = folder / Path(name).name
        if not file.is_file():
            return f"{file} is missing; {MANIFEST} names it."
        actual = sha256(file.read_bytes())
        if actual != expected:
            return (f"{file} is damaged or has been replaced: sha256 {actual[:12]}…, "
                    f"{MANIFEST} has {str(expected)[:12]}….")
    for file in sorted(folder.iterdir()):
        if file.suffix in LOADED and file.name not in {*recorded, MANIFEST}:
            return (f"{file} is not listed in {MANIFEST}: the folder was made without it. Remove "
                    "it.")
    return ""
