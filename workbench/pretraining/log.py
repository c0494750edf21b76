"""The log of a pretraining run: reading it, and errors for a log that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.errors import ConfigError, RecordError
from workbench.models.verify import MANIFEST, write_manifest
from workbench.pretraining.settings import PretrainConfig
from workbench.runs.checkpoint import remove_checkpoints

LOG = "training.json"
FIELDS = {"config": dict, "status": str, "step": int, "seconds": float, "losses": list,
          "curve": list, "environment": dict}
"""Fields that every training log has, with their types."""


def read_log(folder: Path) -> dict[str, Any]:
    """Return the training log of a folder; raise `RecordError` if it is missing or damaged."""
    try:
        log = json.loads((folder / LOG).read_text())
        if log["format"] != "workbench-pretraining":
            raise ValueError("not the log of a pretraining run")
        for name, kind in FIELDS.items():
            if not isinstance(log.get(name), kind):
                raise ValueError(f"{name} is {log.get(name)!r}, expected {kind.__name__}")
        if "checkpoint" in log and set(log["checkpoint"]) != {"file", "sha256"}:
            raise ValueError("checkpoint names no file with its sha256")
    except FileNotFoundError:
        raise RecordError(f"{folder} holds no {LOG}: there is no pretraining run to go on with. "
                          "Give the folder named by --out.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{folder / LOG} cannot be used: {error}. Restore it from a copy, or run "
                          "again into another folder.") from error
    return dict(log)


def settings_of(log: dict[str, Any], folder: Path) -> PretrainConfig:
    """Return the settings in a training log; raise `RecordError` if they cannot be used."""
    try:
        return PretrainConfig(**log["config"])
    except (TypeError, ConfigError) as error:
        raise RecordError(f"{folder / LOG} has settings that cannot be used: {error}. Restore it "
                          "from a copy, or run again into another folder.") from error


def tidy(folder: Path) -> None:
    """Remove checkpoints and write the manifest, as a killed process may not have done."""
    remove_checkpoints(folder)
    if not (folder / MANIFEST).exists():
        write_manifest(folder)
