"""The settings of a run, each explained by the string under it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from workbench.errors import ConfigError, flag, positive, share, texts, whole, whole_numbers

FOR_BACKBONES = ("digits-tasks", "digits-shifted")
"""The streams of digits for a backbone."""
USUAL_TASKS = {"digits-tasks": 3, "digits-shifted": 4, "halved-digits": 2} | dict.fromkeys(
    ("digits", "breast-cancer", "wine", "diabetes"), 1)
"""Usual number of tasks of the streams of digits and tables, where it is not 5."""


@dataclass(frozen=True)
class RunConfig:
    """All settings that determine the outcome of a run; stored in its record."""

    stream: str = "split-digits"
    """The stream of tasks: ``split-digits``, ``permuted-digits``, ``rotated-digits``;
    ``halved-digits``, ``digits``, ``breast-cancer``, ``wine``, ``diabetes``; for a backbone
    ``digits-tasks``, ``digits-shifted``, ``intents`` or the path of a JSON Lines file of labelled
    texts; or ``skills``: text skills for a language model."""
    scenario: str | None = None
    """``task``, ``domain`` or ``class``; None takes the stream's usual one."""
    learner: str = "finetune"
    """The method; ``workbench run --learner help`` lists them."""
    options: dict[str, float | int | bool | str] = field(default_factory=dict)
    """Settings of this learner alone: ``{"strength": 100.0}`` for EWC, on the command line
    ``--option strength=100``."""
    seeds: tuple[int, ...] = (0,)
    """One network per seed, trained side by side. A seed sets initial weights and batch order."""
    tasks: int = 0
    """Number of tasks; 0 takes the usual number: all tasks of labelled texts, 3 of
    ``digits-tasks``, 4 of ``digits-shifted``, 2 of ``halved-digits``, 1 of ``digits`` and of a
    table, 5 of other digits. With ``skills`` it is the number of skills."""
    generations: int = 1
    """Times that each task is learned, one after the other. The learner ``born_again`` starts
    from new weights each time, taught by the generation before; others go on training."""
    label_noise: float = 0.0
    """Share of wrong labels in the training and validation examples of a small network; each seed
    has its own. Test labels are always right."""
    examples: int = 0
    """Most training, and most validation examples of each task of a small network; 0 takes all."""
    steps: int = 200
    """Optimiser steps per task."""
    batch_size: int = 32
    """New examples per step."""
    lr: float = 1e-3
    """Learning rate of Adam, which starts afresh with each task."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW, arXiv 1711.05101): each step shrinks the weights by ``lr``
    times this share."""
    hidden: tuple[int, ...] = (100, 100)
    """Units in each hidden layer of a network for digits."""
    model: str = "tiny"
    """The language model: ``tiny``, ``nano``, ``smollm2-135m``, a folder or a hub id."""
    teacher_turn: str = ""
    """The teacher's prompt, a text with ``{context}`` and ``{question}`` in it. Empty takes the
    words of the chat template, or of the paper on SDFT."""
    skills: tuple[str, ...] = ()
    """The text skills to learn, in order: names, or paths of JSON Lines files."""
    old_skills: tuple[str, ...] | None = None
    """Text skills that the model knows already, by name or path; they are only tested, to measure
    retention. None takes those that the course's models know if all new skills are the course's,
    and otherwise no skills."""
    lora_rank: int = 0
    """Rank of the adapters trained instead of a language model's weights; 0 trains the weights.
    Adapters on a backbone have rank 4 unless another is given."""
    backbone: str | None = None
    """A frozen network on which adapters are trained: ``digits``, ``tiny``, ``nano``, ``minilm``
    (its embeddings), a folder or a hub id. None takes ``digits`` for ``digits-tasks`` and
    ``digits-shifted``, ``minilm`` for labelled texts, and otherwise none."""
    retriever: str = "gmm"
    """How the learner ``adapters`` finds the task of an input; ``--retriever help`` lists the
    ways."""
    items: int = 0
    """Most items to test of each text skill; 0 tests all."""
    clip: float | None = None
    """Largest gradient norm per seed; None leaves gradients as they are."""
    data_seed: int = 0
    """Seed of the split of the data and of the pixel permutations, which all networks share."""
    diagnose: bool = False
    """Whether to measure a language model's drift, entropy and style at every evaluation."""
    evaluate_on: str = "test"
    """``test``, or ``validation`` while settings are being chosen."""
    evaluate_every: int = 0
    """Steps between evaluations within a task; 0 evaluates only between tasks."""
    checkpoint_every: int = 100
    """Steps between checkpoints, when the run has a folder."""
    device: str = "cpu"
    """Device of a language model: ``cpu``, ``cuda`` or ``mps``."""
    precision: str = "fp32"
    """``fp32``, or ``bf16`` for a language model's matrix products; its weights stay in fp32."""
    threads: int = 1
    """PyTorch threads; for networks this small one is fastest."""

    def __post_init__(self) -> None:
        whole(steps=self.steps, batch_size=self.batch_size, generations=self.generations,
              checkpoint_every=self.checkpoint_every, threads=self.threads)
        whole(0, tasks=self.tasks, evaluate_every=self.evaluate_every, data_seed=self.data_seed,
              lora_rank=self.lora_rank, items=self.items, examples=self.examples)
        share(label_noise=self.label_noise)
        if self.weight_decay != 0:
            positive(weight_decay=self.weight_decay)
        positive(lr=self.lr, **({} if self.clip is None else {"clip": self.clip}))
        flag(diagnose=self.diagnose)
        object.__setattr__(self, "seeds", whole_numbers("seeds", self.seeds))
        object.__setattr__(self, "hidden", whole_numbers("hidden", self.hidden, 1))
        object.__setattr__(self, "skills", texts("skills", self.skills))
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must be different whole numbers from 0 up, not {self.seeds}")
        if (self.stream == "skills") != bool(self.skills):
            raise ConfigError("skills are for the stream 'skills', and it needs at least one; not "
                              f"{self.skills!r} with the stream {self.stream!r}")
        if self.old_skills is not None:
            old = self.old_skills
            if isinstance(old, str) or not all(isinstance(name, str) and name for name in old):
                raise ConfigError("old_skills must be a sequence of names or paths, such as "
                                  f"('facts-keepers',), or None, not {old!r}")
            if not self.skills:
                raise ConfigError(f"old_skills are for the stream 'skills', not {self.stream!r}")
            object.__setattr__(self, "old_skills", tuple(old))
        if self.skills:
            object.__setattr__(self, "tasks", len(self.skills))
        elif not self.tasks and not self.of_labelled_texts:
            object.__setattr__(self, "tasks", USUAL_TASKS.get(self.stream, 5))
        usual = "minilm" if self.of_labelled_texts else "digits"
        if self.backbone is None and (self.of_labelled_texts or self.stream in FOR_BACKBONES):
            object.__setattr__(self, "backbone", usual)
        if self.backbone and (self.skills or (self.backbone == "digits") == self.of_labelled_texts):
            raise ConfigError(f"the backbone {self.backbone!r} is not for the stream "
                              f"{self.stream!r}: digits is for streams of digits, and the others "
                              "are for labelled texts")
        if (self.backbone or self.skills) and (self.label_noise or self.examples
                                               or self.generations > 1):
            raise ConfigError("label_noise, examples and generations are for small networks, not "
                              "for adapters or language models: leave them out")
        if self.backbone and not self.lora_rank:
            object.__setattr__(self, "lora_rank", 4)
        if not isinstance(self.options, dict):
            raise ConfigError(f"options must be a dict of settings, not {self.options!r}")
        for name, choices in (("device", ("cpu", "cuda", "mps")), ("precision", ("fp32", "bf16")),
                              ("evaluate_on", ("test", "validation"))):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be {' or '.join(choices)}, "
                                  f"not {getattr(self, name)!r}")
        if not self.skills and (self.device, self.precision) != ("cpu", "fp32"):
            raise ConfigError("device and precision are for language models, the stream 'skills'; "
                              "networks for digits compute on the cpu in fp32")

    @property
    def of_labelled_texts(self) -> bool:
        """Whether the stream is ``intents``, or the path of a file."""
        return self.stream == "intents" or self.stream.endswith(".jsonl")

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> RunConfig:
        """Return the config with these settings; an unknown one raises `ConfigError`."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(settings) - known):
            raise ConfigError(f"unknown settings {unknown}; known: {sorted(known)}")
        return cls(**settings)
