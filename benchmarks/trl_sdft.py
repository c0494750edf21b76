"""TRL's side of the comparison: its SDFTTrainer, set up to do the same work as the workbench.

TRL builds prompts otherwise, so each is given to it as plain text that comes out as the same
tokens: the start token is added by the tokenizer, and the context goes in before the question, as
privileged context.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
warnings.filterwarnings("ignore", "`(is_)?gradient_checkpointing", FutureWarning)

import datasets  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from tokenizers.processors import TemplateProcessing  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import (  # noqa: E402
    LogitsProcessor,
    LogitsProcessorList,
    PrinterCallback,
    TrainerCallback,
)
from trl.experimental.sdft import SDFTConfig, SDFTTrainer  # noqa: E402

from workbench.measure.completions import prompts_for  # noqa: E402
from workbench.models.loading import SHIPPED, load_causal_lm  # noqa: E402
from workbench.models.sampling import draw_uniform, next_tokens  # noqa: E402
from workbench.tasks import Item  # noqa: E402

datasets.disable_progress_bars()
transformers.utils.logging.disable_progress_bar()

MATCHED: dict[str, Any] = {
    "distillation_mode": "full_logits", "distillation_alpha": 0.0, "distillation_is_clip": None,
    "num_loss_tokens_to_skip": 0, "teacher_model_kind": "base", "num_generations": 1,
    "temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0,
    "disable_dropout": True, "max_completion_length": 40, "max_prompt_length": None,
    "teacher_prompt_template": "{privileged_context} {prompt}", "lr_scheduler_type": "constant",
    "warmup_steps": 0, "max_grad_norm": 0.0, "weight_decay": 0.0, "optim": "adamw_torch_fused",
    "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "gradient_accumulation_steps": 1,
    "bf16": False, "gradient_checkpointing": False, "shuffle_dataset": False,
    "remove_unused_columns": False}
"""What decides the outcome, each set to what the workbench does."""

QUIET: dict[str, Any] = {
    "use_cpu": True, "report_to": "none", "logging_strategy": "no", "save_strategy": "no",
    "disable_tqdm": True, "dataloader_num_workers": 0, "dataloader_pin_memory": False}
"""What costs time and changes nothing."""


def differing_defaults() -> dict[str, dict[str, Any]]:
    """Return the settings that had to be changed: TRL's own value and the one used."""
    with tempfile.TemporaryDirectory() as folder:
        own = SDFTConfig(output_dir=folder, use_cpu=True, bf16=False)
    found = {}
    for name, value in MATCHED.items():
        # What `bf16` is without being asked for can only be seen in the class.
        default = True if name == "bf16" else getattr(own, name)
        default = getattr(default, "value", default)
        if default != value:
            found[name] = {"trl": default, "here": value}
    return found


@dataclass
class Seen:
    """What was noted of a training.

    Parameters
    ----------
    seconds, cpu, losses : list of float
        Of each step: seconds on the wall and of the processor, from the end of the step before it;
        the loss before its update.
    responses : list of Tensor
        What was sampled at each step, padded.
    model : PreTrainedModel
        As trained.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    responses: list[Tensor] = field(default_factory=list)
    model: Any = None


class SameTokens(LogitsProcessor):
    """Leaves of each distribution only the token that the workbench would sample from it.

    Parameters
    ----------
    rng : torch.Generator
        In the state of the learner's own.
    rows : int
        Responses of a step.
    """

    def __init__(self, rng: torch.Generator, rows: int) -> None:
        self.rng, self.rows, self.seconds = rng, rows, 0.0

    def next_step(self) -> None:
        """Draw the random numbers of a training step."""
        self.uniform = draw_uniform(self.rows, MATCHED["max_completion_length"], 1.0, self.rng)
        self.token, self.seconds = 0, 0.0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return logits of which one is 0 and all others are minus infinity."""
        began = time.perf_counter()
        uniform = self.uniform[:, self.token].to(scores.device)
        chosen = next_tokens(scores.float(), 1.0, uniform)
        self.token += 1
        only = torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)
        self.seconds += time.perf_counter() - began
        return only


class _Trainer(SDFTTrainer):
    """TRL's trainer, which hands out the loss of each step."""

    seen: Seen

    def training_step(self, *arguments: Any, **named: Any) -> Tensor:
        """Take a step and note the loss."""
        loss: Tensor = super().training_step(*arguments, **named)
        self.seen.losses.append(float(loss))
        return loss


class _Watch(TrainerCallback):
    """Times steps, and gives the other side its turn after each."""

    def __init__(self, seen: Seen, same: SameTokens | None,
                 between: Callable[[], None] | None) -> None:
        self.seen, self.same, self.between = seen, same, between

    def on_train_begin(self, *arguments: Any, **named: Any) -> None:
        """Start the clock."""
        self.began = time.perf_counter(), time.process_time()

    def on_step_begin(self, *arguments: Any, **named: Any) -> None:
        """Sample the same tokens as the workbench, if that is asked for."""
        if self.same is not None:
            self.same.next_step()

    def on_self_distillation_batch_prepared(self, *arguments: Any, **named: Any) -> None:
        """Note what was sampled."""
        self.seen.responses.append(named["completion_ids"].cpu())

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        """Stop the clock, let the other side have its turn, and start it again."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        extra = 0.0 if self.same is None else self.same.seconds  # TRL alone would not spend these
        self.seen.seconds.append(time.perf_counter() - self.began[0] - extra)
        self.seen.cpu.append(time.process_time() - self.began[1] - extra)
        if self.between is not None:
            self.between()
        self.began = time.perf_counter(), time.process_time()


def rows_for(tokenizer: Any, items: Sequence[Item]) -> list[dict[str, str]]:
    """Return the items as TRL takes them: prompt and privileged context, both plain text."""
    start = f"{tokenizer.bos_token} "
    rows = []
    for alone, helped in zip(prompts_for(tokenizer, items), prompts_for(tokenizer, items, "own"),
                             strict=True):
        prompt = alone.removeprefix(start)
        rows.append({"prompt": prompt,
                     "privileged_context": helped.removeprefix(start).removesuffix(" " + prompt)})
    return rows


def make_tokenizer() -> Any:
    """Return the tiny model's tokenizer, adding the start token, as that of Llama does."""
    _, tokenizer = load_causal_lm("tiny")
    start = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, tokenizer.bos_token_id)])
    return tokenizer


@contextmanager
def trainer_for(rows: Sequence[dict[str, str]], *, steps: int, batch_size: int, lr: float,
                seed: int, seen: Seen, draw: torch.Generator | None = None,
                between: Callable[[], None] | None = None,
                model: str = str(SHIPPED["tiny"]), **changed: Any) -> Iterator[SDFTTrainer]:
    """Give a trainer that goes through the rows in their order.

    Parameters
    ----------
    rows : sequence of dict
        Of `rows_for`.
    steps, batch_size, lr, seed
        Of the training; the seed is for what TRL draws itself.
    seen : Seen
        Filled while it trains.
    draw : torch.Generator, optional
        In the state of the workbench's own: each step then samples the same tokens as there.
    between : callable, optional
        Called after each step; what it takes is not counted.
    model : str
        Folder of the model; the tokenizer is that of the tiny one.
    **changed
        Settings other than `MATCHED`.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = SDFTConfig(output_dir=folder, max_steps=steps, seed=seed, learning_rate=lr,
                            per_device_train_batch_size=batch_size,
                            **(MATCHED | QUIET | changed))
        same = None if draw is None else SameTokens(draw, batch_size)
        trainer = _Trainer(model, config, datasets.Dataset.from_list(list(rows)),
                           processing_class=make_tokenizer(),
                           callbacks=[_Watch(seen, same, between)])
        trainer.seen = seen
        if same is not None:
            trainer.model.generate = functools.partial(
                trainer.model.generate, logits_processor=LogitsProcessorList([same]))
        trainer.remove_callback(PrinterCallback)
        yield trainer


def prompt_ids(trainer: SDFTTrainer,
               rows: Sequence[dict[str, str]]) -> tuple[list[list[int]], list[list[int]]]:
    """Return the tokens of the student's and the teacher's prompts as TRL makes them."""
    prompts = [row["prompt"] for row in rows]
    helped = trainer.teacher_context_builder.select_generation_prompts(
        prompts, [row["privileged_context"] for row in rows])
    return trainer._tokenize_prompts(prompts), trainer._tokenize_prompts(helped)


def train(rows: Sequence[dict[str, str]], **settings: Any) -> Seen:
    """Return what was seen of a training; see `trainer_for`."""
    seen = Seen()
    with trainer_for(rows, seen=seen, **settings) as trainer:
        trainer.train()
    seen.model = trainer.model.eval()
    return seen
