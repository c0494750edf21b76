"""The folder of a run, and checkpoints that survive ``kill -9``.

A checkpoint is a safetensors file with everything that the rest of the run depends on: weights,
optimiser, the learner's state and its random generators. ``run.json`` is replaced after it and
names it with its hash, so the two agree at any moment.
"""

import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from workbench.errors import RecordError
from workbench.learners import Learner
from workbench.models.verify import INPUTS
from workbench.runs.record import RunRecord
from workbench.runs.record_files import file_entry, read_run_json
from workbench.system.files import read_checked, sha256, unusable, write_atomically


def unfinished(folder: Path, fresh: RunRecord) -> RunRecord:
    """Return the record of the run in a folder, to continue it.

    Raises `RecordError` if the run is complete, or differs in settings, data or inputs from a
    `fresh` record.
    """
    saved = RunRecord.load(folder)
    if saved.status == "complete":
        raise RecordError(f"{folder} is complete: there is nothing to resume. "
                          "Look at it with: workbench show")
    if saved.config != fresh.config:
        raise RecordError(f"{folder} was begun with other settings: {saved.config}; "
                          "use them (workbench run --resume), or give another folder")
    if saved.data_hash != fresh.data_hash:
        raise RecordError(f"{folder}: the data have changed since this run began "
                          "(another version of scikit-learn?); it cannot be continued")
    changed = [INPUTS[name] for name, value in saved.inputs.items()
               if name in INPUTS and fresh.inputs.get(name) != value]
    if changed:
        raise RecordError(f"{folder} cannot be continued: since the run began, "
                          f"{' and '.join(changed)} changed. Restore the former version, "
                          "or run again into another folder.")
    return saved


def save(folder: Path, record: RunRecord, learner: Learner,
         optimizer: torch.optim.Optimizer | None) -> None:
    """Save the state of a run between two steps."""
    tensors = learner.state_dict() | optimizer_tensors(optimizer)
    entry = write_checkpoint(folder, record.steps_taken, tensors)
    record.save(folder, checkpoint=entry)
    remove_checkpoints(folder, but=entry["file"])


def finish(folder: Path, record: RunRecord, learner: Learner) -> None:
    """Save a finished run; its weights replace the checkpoint."""
    name = learner.write(folder, record.task_names)
    digest = sha256((folder / name).read_bytes())
    record.save(folder, weights={"file": name, "sha256": digest})
    remove_checkpoints(folder)


def read_checkpoint(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of the last checkpoint, checked against their hash."""
    return read_tensors(folder, file_entry(folder, read_run_json(folder), "checkpoint"))


def write_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor]) -> dict[str, str]:
    """Write a checkpoint, and return its file name and hash for the record."""
    content = safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()})
    name = f"checkpoint-{step:07d}.safetensors"
    write_atomically(folder / name, content)
    return {"file": name, "sha256": sha256(content)}


def remove_checkpoints(folder: Path, but: str = "") -> None:
    """Remove all checkpoints of a folder except the one named `but`."""
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != but:
            old.unlink()


def read_tensors(folder: Path, entry: dict[str, str]) -> dict[str, Tensor]:
    """Return the tensors of the safetensors file that `entry` names; see `read_checked`."""
    content = read_checked(folder, entry)
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, json.JSONDecodeError) as error:
        raise unusable(folder / entry["file"], error) from error


def optimizer_tensors(optimizer: torch.optim.Optimizer | None) -> dict[str, Tensor]:
    """Return an optimiser's state as tensors under dotted names."""
    state = optimizer.state_dict()["state"] if optimizer else {}
    return {f"optimizer.{i}.{name}": tensor for i, entries in state.items()
            for name, tensor in entries.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the state that `optimizer_tensors` returned into a fresh optimiser."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            state.setdefault(int(i), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
