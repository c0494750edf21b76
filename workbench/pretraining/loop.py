"""Pretraining of the tiny language model: one loop, resumable after ``kill -9``, bit for bit.

The documents of a step follow from the seed and the step, and the learning rate from the step. A
checkpoint therefore holds only weights and optimiser.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from torch import Tensor

from workbench.errors import ConfigError, RecordError
from workbench.measure.completions import complete
from workbench.models.adapters import no_progress_bars
from workbench.models.sizes import CONTEXT, SIZES, make_model
from workbench.models.verify import MANIFEST
from workbench.pretraining.log import LOG, read_log, settings_of, tidy
from workbench.pretraining.packing import make_batch
from workbench.pretraining.settings import PretrainConfig, learning_rate
from workbench.pretraining.tokenizer import make_tokenizer, vocabulary
from workbench.runs.checkpoint import (
    optimizer_tensors,
    read_tensors,
    remove_checkpoints,
    restore_optimizer,
    write_checkpoint,
)
from workbench.system.files import locked, require_new_folder, to_json, write_atomically
from workbench.system.provenance import environment
from workbench.system.runtime import derive_seed, threads
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, make_skill
from workbench.tasks.village.corpus import Corpus

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


def weighted_loss(model: LlamaForCausalLM, tokens: Tensor, weights: Tensor) -> Tensor:
    """Return the summed, weighted cross-entropy of each next token, in nats."""
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none")
    return (losses * weights[:, 1:].flatten()).sum()


def validate(model: LlamaForCausalLM) -> dict[str, float]:
    """Return the greedy accuracy on the first 24 validation items of each skill.

    Known skills are asked alone, new ones with their own demonstration.
    """
    tokenizer = make_tokenizer(CONTEXT)
    model.eval()
    scores = {}
    for skill in KNOWN_SKILLS + NEW_SKILLS:
        items = [item for item in make_skill(skill) if item.split == "validation"][:24]
        context = "none" if skill in KNOWN_SKILLS else "own"
        scores[skill] = complete(model, tokenizer, items, context).accuracy
    model.train()
    return scores


def pretrain(config: PretrainConfig | None, out: Path | str, *, resume: bool = False,
             stop: Callable[[], bool] | None = None, progress: bool = False) -> dict[str, Any]:
    """Train a model of the village from random weights; write it in the Hugging Face format.

    Parameters
    ----------
    config : PretrainConfig or None
        None if a run is resumed: it has its own.
    out : path
        Folder for the model, the tokenizer, the log and, during the run, a checkpoint.
    resume : bool
        Continue the run in `out`. On the same processor the result is bit for bit that of an
        uninterrupted run (GPUs may round differently).
    stop : callable, optional
        Called between steps; if it returns True, the run stops and can be resumed.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict
        The training log: ``config``, ``status``, ``step``, ``curve``, ``seconds``, ``environment``.

    Raises
    ------
    RecordError
        If the folder is in use, or has files already; when resuming, if it has no usable run.
    """
    folder = Path(out)
    if resume:
        read_log(folder)  # before the folder is touched
    else:
        require_new_folder(folder)
    with locked(folder):
        if resume:
            log = read_log(folder)
            if log["status"] == "complete":
                tidy(folder)
                return log
        elif config is None:
            raise ConfigError("a new run needs a config")
        else:
            require_new_folder(folder)
            log = {"format": "workbench-pretraining", "config": asdict(config.resolved()),
                   "status": "running", "step": 0, "seconds": 0.0, "losses": [], "curve": [],
                   "environment": environment()}
        config = settings_of(log, folder)
        if config.device == "cuda" and not torch.cuda.is_available():
            raise RecordError(f"{folder} was begun on a GPU, and there is none here. Resume it on "
                              "a machine with a GPU, or run again into another folder.")
        with threads(config.threads):
            return Pretraining(config, folder, log).go(stop, progress)


class Pretraining:
    """A pretraining run: model, optimiser and log."""

    def __init__(self, config: PretrainConfig, folder: Path, log: dict[str, Any]) -> None:
        self.config, self.folder, self.log = config, folder, log
        self.lr = SIZES[config.size].lr
        self.model = make_model(config.size, len(vocabulary()), config.seed)
        self.model.to(config.device)  # type: ignore[arg-type]  # wrapped without types
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.lr, betas=(0.9, 0.98),
                                           weight_decay=config.weight_decay, fused=True)
        self.corpus = Corpus()
        if "checkpoint" in log:
            self.restore(read_tensors(folder, log["checkpoint"]))

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Load weights and optimiser from a checkpoint."""
        try:
            with torch.no_grad():
                for name, parameter in self.model.named_parameters():
                    parameter.copy_(tensors[f"model.{name}"])
        except (KeyError, RuntimeError) as error:
            raise RecordError(f"the checkpoint in {self.folder} is not of a {self.config.size} "
                              f"model: {error}. Restore it from a copy, or run again into another "
                              "folder.") from error
        restore_optimizer(self.optimizer, tensors)

    def go(self, stop: Callable[[], bool] | None, progress: bool) -> dict[str, Any]:
        """Train until the end, or until `stop` returns True, and return the log."""
        from tqdm.auto import tqdm

        config, log = self.config, self.log
        start = time.perf_counter() - log["seconds"]
        self.model.train()
        with tqdm(total=config.steps, initial=log["step"], disable=not progress, unit="step",
                  desc=f"pretrain {config.size}", mininterval=1) as bar:
            while log["step"] < config.steps:
                if stop is not None and stop():
                    self.save("stopped")
                    return log
                loss = self.step(log["step"])
                log["step"] += 1
                bar.update()
                log["seconds"] = time.perf_counter() - start
                if log["step"] % 50 == 0:
                    log["losses"].append([log["step"], round(loss, 4)])
                if log["step"] % config.evaluate_every == 0 or log["step"] == config.steps:
                    scores = validate(self.model)
                    log["curve"].append({"step": log["step"], **scores})
                    known, new = (mean(scores[skill] for skill in skills)
                                  for skills in (KNOWN_SKILLS, NEW_SKILLS))
                    bar.set_postfix_str(f"known {known:.2f}, new with an example {new:.2f}")
                if log["step"] % config.checkpoint_every == 0:
                    self.save("running")
        self.finish()
        return log

    def step(self, step: int) -> float:
        """Take one optimiser step and return its loss per unit of weight, in nats."""
        config = self.config
        # Step 0 has no index in its seed: the shipped models were made so.
        rng = random.Random(derive_seed(config.seed, "documents", *[step][:step]))
        batch = make_batch(self.corpus, config.batch_size, CONTEXT, rng)
        tokens, weights = (tensor.to(config.device) for tensor in batch)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, config.steps, self.lr)
        self.optimizer.zero_grad()
        total = weights[:, 1:].sum()
        loss = 0.0
        for part, weight in zip(tokens.split(config.micro_batch),
                                weights.split(config.micro_batch), strict=True):
            with torch.autocast(config.device, torch.bfloat16, config.precision == "bf16"):
                share = weighted_loss(self.model, part, weight) / total
            share.backward()
            loss += float(share.detach())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss

    def save(self, status: str) -> None:
        """Save the run; at any moment the log names a checkpoint that exists."""
        # Not the state dict, which has the embeddings twice, since the outputs share them.
        tensors = {f"model.{name}": parameter.detach()
                   for name, parameter in self.model.named_parameters()}
        entry = write_checkpoint(self.folder, self.log["step"],
                                 tensors | optimizer_tensors(self.optimizer))
        self.log |= {"status": status, "checkpoint": entry}
        self.write_log()
        remove_checkpoints(self.folder, but=entry["file"])

    def finish(self) -> None:
        """Write the model in the Hugging Face format, then the log and the manifest."""
        (self.folder / MANIFEST).unlink(missing_ok=True)
        self.model.eval()
        try:
            with no_progress_bars():
                self.model.save_pretrained(self.folder)
            make_tokenizer(CONTEXT).save_pretrained(self.folder)
        except (OSError, safetensors.SafetensorError) as error:
            raise RecordError(f"could not write the model to {self.folder}: {error}. Its last "
                              "checkpoint is intact. Free some space and resume.") from error
        self.log.pop("checkpoint", None)
        self.log["status"] = "complete"
        self.write_log()
        tidy(self.folder)

    def write_log(self) -> None:
        """Replace the log in one rename."""
        write_atomically(self.folder / LOG, (to_json(self.log, indent=1) + "\n").encode())
