"""The command ``retrieve``: the task, the possible tasks and the class of a text or an example."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.cli.parsing import parse
from workbench.cli.runs import Output
from workbench.errors import ConfigError


@dataclass(frozen=True)
class Retrieve(Output):
    """Options of `retrieve`."""

    run: Path
    """Folder of a complete run of a learner that keeps adapters, such as adapters or composed."""
    text: str | None = None
    """A text, for a run on labelled texts."""
    example: int | None = None
    """Number of a test example, counted from 0 through all tasks, for a run on digits."""
    alpha: float = 0.1
    """Rate at which the set of possible tasks may leave out the right one."""


def retrieve(words: list[str]) -> int:
    """Find the task of an input and its class; print them and the cost of the answer."""
    from workbench.runs.answers import Answer, answer_example, answer_text
    from workbench.runs.experiment import load_adapters
    from workbench.system.files import to_json

    options = parse(Retrieve, words, retrieve)
    if (options.text is None) == (options.example is None):
        raise ConfigError("give --text, or --example for a run on digits")
    _, stream, learner = load_adapters(options.run)
    answer: Answer = (answer_text(learner, stream, options.text, options.alpha)
                      if options.text is not None else
                      answer_example(learner, stream, options.example, options.alpha))
    print(to_json(asdict(answer)) if options.json else table(answer))
    return 0


def table(answer: Any) -> str:
    """Return an answer in lines."""
    possible = "not known for this retriever" if answer.possible is None else (
        ", ".join(f"{task} (p = {p:.2f})" for task, p in answer.possible.items())
        or "none: the input is unlike all tasks")
    return (f"task            {answer.task}\npossible tasks  {possible}\n"
            f"class           {answer.label}\n"
            f"cost            {answer.forwards} passes through the backbone, "
            f"{answer.milliseconds:.1f} ms, {answer.stored_bytes:,} bytes stored")
