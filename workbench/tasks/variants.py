"""Variants of a stream: wrong labels, few examples, and tasks that are learned several times."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from workbench.errors import ConfigError, share, whole
from workbench.system.runtime import generator
from workbench.tasks.stream import Examples, Stream, Task


def with_label_noise(stream: Stream, wrong: float, seeds: Sequence[int] = (0,)) -> Stream:
    """Return the stream with a share of wrong labels in its training and validation examples.

    The network of each of the `seeds` has its own wrong labels. A wrong class is any other class of
    the task with equal probability; a wrong value is that of another wrong example. The share is
    exact, up to half an example. Test examples keep their labels. Raises `ConfigError` if `wrong`
    is not from 0 to 1, or a task has a single class.
    """
    share(label_noise=wrong)
    if wrong == 0:
        return stream

    def spoil(task: Task) -> Task:
        if len(task.classes) == 1 and not task.train.y.is_floating_point():
            raise ConfigError(f"task {task.name!r} has a single class, so that no label can be "
                              "wrong: label_noise needs at least two")
        noisy = [replace(part, y=torch.stack([
            _spoilt(part.y, task.classes, wrong, generator(seed, "label noise", task.index, i))
            for seed in seeds])) for i, part in enumerate((task.train, task.validation))]
        return replace(task, train=noisy[0], validation=noisy[1])

    return _each_task(stream, spoil)


def _spoilt(y: Tensor, classes: Sequence[int], wrong: float, rng: torch.Generator) -> Tensor:
    """Return the labels with a share of them wrong: shape (n,)."""
    chosen = torch.randperm(len(y), generator=rng)[:round(wrong * len(y))]
    spoilt = y.clone()
    if y.is_floating_point():
        spoilt[chosen] = y[chosen.roll(1)]
        return spoilt
    # A step of 1 to k - 1 along the k classes leads to every other class, and never back.
    steps = torch.randint(1, len(classes), (len(chosen),), generator=rng)
    spoilt[chosen] = classes[0] + (y[chosen] - classes[0] + steps) % len(classes)
    return spoilt


def with_few_examples(stream: Stream, most: int, data_seed: int = 0) -> Stream:
    """Return the stream with at most `most` training and validation examples in each task.

    They are drawn at random by `data_seed`. All test examples are kept.
    """
    whole(examples=most)

    def draw(part: Examples, purpose: str, task: int) -> Examples:
        rng = generator(data_seed, purpose, task)
        kept = torch.randperm(len(part), generator=rng)[:most].sort().values
        return replace(part, x=part.x[kept], y=part.y[kept])

    return _each_task(stream, lambda task: replace(
        task, train=draw(task.train, "few training examples", task.index),
        validation=draw(task.validation, "few validation examples", task.index)))


def with_generations(stream: Stream, generations: int) -> Stream:
    """Return the stream with each task repeated, so that a learner meets it several times.

    The learner ``born_again`` starts from new weights each time, taught by the generation before.
    Other learners go on training.
    """
    whole(generations=generations)
    repeated = [(task, g) for task in stream.tasks for g in range(1, generations + 1)]
    tasks = [replace(task, index=i, generation=g,
                     name=task.name if g == 1 else f"{task.name}, generation {g}")
             for i, (task, g) in enumerate(repeated)]
    longer = replace(stream, tasks=tuple(tasks))
    return _each_task(longer, lambda task: replace(task, masks=torch.stack(
        [longer.mask(task.index, t) for t in range(task.index + 1)])))


def _each_task(stream: Stream, change: Callable[[Task], Task]) -> Stream:
    return replace(stream, tasks=tuple(change(task) for task in stream.tasks))
