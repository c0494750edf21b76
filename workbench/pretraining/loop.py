"""Pretraining of the tiny language model: one loop, resumable after ``kill -9``, bit for bit.

The documents of a step follow from the seed and the step, and the learning rate from the step. A
checkpoint therefore holds only weights and optimiser.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import safetensors
import torch
from torch import Tensor

from workbench.errors import RecordError
from workbench.measure.completions import complete
from workbench.models.adapters import no_progress_bars
from workbench.models.sizes import SIZES, make_model
from workbench.models.verify import MANIFEST, write_manifest
from workbench.pretraining.settings import LOG, PretrainConfig, find_log, learning_rate, settings_of
from workbench.pretraining.tokenizer import make_batch, make_tokenizer, vocabulary
from workbench.runs import checkpoint
from workbench.system.files import locked, to_json, write_atomically
from workbench.system.runtime import derive_seed, threads
from workbench.tasks import KNOWN_SKILLS, NEW_SKILLS, make_skill
from workbench.tasks.village.corpus import Corpus

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


def weighted_loss(model: "LlamaForCausalLM", tokens: Tensor, weights: Tensor) -> Tensor:
    """Return the summed, weighted cross-entropy of each next token, in nats."""
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none")
    return (losses * weights[:, 1:].flatten()).sum()


def validate(model: "LlamaForCausalLM") -> dict[str, float]:
    """Return the greedy accuracy on the first 24 validation items of each skill.

    Known skills are asked alone, new ones with their own demonstration.
    """
    tokenizer = make_tokenizer()
    model.eval()
    scores = {}
    for skill in KNOWN_SKILLS + NEW_SKILLS:
        items = [item for item in make_skill(skill) if item.split == "validation"][:24]
        context = "none" if skill in KNOWN_SKILLS else "own"
        scores[skill] = complete(model, tokenizer, items, context).accuracy
    model.train()
    return scores


def pretrain(config: PretrainConfig | None, out: Path | str, *,
             stop: Callable[[], bool] | None = None, progress: bool = False) -> dict[str, Any]:
    """Train a model of the village from random weights; write it in the Hugging Face format.

    Returns the log of the run. Raises `RecordError` if the folder is in use, has other files, or
    has no usable run to continue.

    Parameters
    ----------
    config : PretrainConfig or None
        None continues the run in `out` with its own settings. On the same processor the result is
        bit for bit that of an uninterrupted run (GPUs may round differently).
    out : path
        Folder for the model, the tokenizer, the log and, during the run, a checkpoint.
    stop : callable, optional
        Called between steps; if it returns True, the run stops and can be resumed.
    progress : bool
        Show a progress bar.
    """
    folder = Path(out)
    find_log(config, folder)  # before the folder is touched
    with locked(folder):
        log = find_log(config, folder)
        if log["status"] != "complete":
            config = settings_of(log, folder)
            with threads(config.threads):
                Pretraining(config, folder, log).go(stop, progress)
        if log["status"] == "complete":  # perhaps by a process that was killed before this
            checkpoint.remove_checkpoints(folder)
            if not (folder / MANIFEST).exists():
                write_manifest(folder)
        return log


class Pretraining:
    """A pretraining run: model, optimiser and log."""

    def __init__(self, config: PretrainConfig, folder: Path, log: dict[str, Any]) -> None:
        self.config, self.folder, self.log = config, folder, log
        self.model = make_model(config.size, len(vocabulary()), config.seed)
        self.model.to(config.device)  # type: ignore[arg-type]  # wrapped without types
        # Not the state dict, which has the embeddings twice, since the outputs share them.
        self.weights = {f"model.{name}": parameter.detach()
                        for name, parameter in self.model.named_parameters()}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), betas=(0.9, 0.98),
                                           weight_decay=config.weight_decay, fused=True)
        self.corpus = Corpus()
        if "checkpoint" in log:
            tensors = checkpoint.read_tensors(folder, log["checkpoint"])
            try:
                for name, weight in self.weights.items():
                    weight.copy_(tensors[name])
            except (KeyError, RuntimeError) as error:
                raise RecordError(f"the checkpoint in {folder} is not of a {config.size} model: "
                                  f"{error}. Restore it from a copy, or run again into another "
                                  "folder.") from error
            checkpoint.restore_optimizer(self.optimizer, tensors)

    def go(self, stop: Callable[[], bool] | None, progress: bool) -> None:
        """Train until the end, or until `stop` returns True."""
        from tqdm.auto import tqdm

        config, log = self.config, self.log
        start = time.perf_counter() - log["seconds"]
        with tqdm(total=config.steps, initial=log["step"], disable=not progress, unit="step",
                  desc=f"pretrain {config.size}", mininterval=1) as bar:
            while log["step"] < config.steps:
                if stop is not None and stop():
                    self.save("stopped")
                    return
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

    def step(self, step: int) -> float:
        """Take one optimiser step and return its loss per unit of weight, in nats."""
        config = self.config
        # Step 0 has no index in its seed: the shipped models were made so.
        rng = random.Random(derive_seed(config.seed, "documents", *[step][:step]))
        batch = make_batch(self.corpus, config.batch_size, rng)
        tokens, weights = (tensor.to(config.device) for tensor in batch)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, config.steps, SIZES[config.size].lr)
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
        tensors = self.weights | checkpoint.optimizer_tensors(self.optimizer)
        entry = checkpoint.write_checkpoint(self.folder, self.log["step"], tensors)
        self.log |= {"status": status, "checkpoint": entry}
        self.write_log()
        checkpoint.remove_checkpoints(self.folder, but=entry["file"])

    def finish(self) -> None:
        """Write the model in the Hugging Face format, and then the log."""
        try:
            with no_progress_bars():
                self.model.save_pretrained(self.folder)
            make_tokenizer().save_pretrained(self.folder)
        except (OSError, safetensors.SafetensorError) as error:
            raise RecordError(f"could not write the model to {self.folder}: {error}. Its last "
                              "checkpoint is intact. Free some space and resume.") from error
        self.log.pop("checkpoint", None)
        self.log["status"] = "complete"
        self.write_log()

    def write_log(self) -> None:
        """Replace the log in one rename."""
        write_atomically(self.folder / LOG, (to_json(self.log, indent=1) + "\n").encode())
