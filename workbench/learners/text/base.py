"""`TextLearner`: the base of all methods for language models."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from workbench.errors import ConfigError
from workbench.learners.base import Batch, Learner
from workbench.models.encoding import check_items_against, context_of, encode
from workbench.models.language import LanguageModels
from workbench.models.logits import PromptCache, response_logits, take_prompts
from workbench.models.prompts import make_prompt
from workbench.models.sampling import continue_prompts, draw_uniform, sample
from workbench.tasks import Task
from workbench.tasks.text import TextExamples


@dataclass(eq=False)
class TextLearner(Learner):
    """A method for language models; a subclass defines `loss_of`."""

    model: LanguageModels  # type: ignore[assignment]
    max_new_tokens: int = field(default=40, kw_only=True)
    """Length of the longest response in tokens."""

    scenarios: ClassVar[tuple[str, ...]] = ("domain", "task")

    def __post_init__(self) -> None:
        super().__post_init__()
        context = context_of(self.model.base)
        self.max_prompt_tokens = context - self.max_new_tokens
        if self.max_prompt_tokens < 1:
            raise ConfigError(f"max_new_tokens={self.max_new_tokens} leaves no room for a prompt "
                              f"in a context of {context} tokens")

    def check(self, task: Task) -> None:
        """Raise `ConfigError` for a task that the method cannot learn; called before a run."""

    def inputs(self) -> dict[str, str]:
        """Return the hashes of the pretrained model, its tokenizer and its chat template."""
        return self.model.inputs

    def begin(self, task: Task) -> None:
        """Encode the questions."""
        assert isinstance(task.train, TextExamples)
        self.items = task.train.items
        for part in (task.train, *task.old):
            assert isinstance(part, TextExamples)
            check_items_against(self.model.tokenizer, part.items)
        self.prompts = encode(self.model.tokenizer, self.ask(task.train.inputs),
                              self.max_prompt_tokens)

    def ask(self, questions: Sequence[str]) -> list[str]:
        """Return the student's prompts: the questions alone."""
        return [make_prompt(self.model.tokenizer, question) for question in questions]

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of each seed on its questions: shape (seeds,)."""
        return torch.stack([self.loss_of(i, indices) for i, indices in enumerate(batch.x)])

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the loss of one seed on the items with these numbers: shape ()."""
        raise TypeError(f"{type(self).__name__} does not define loss_of")

    def logits(self, i: int, indices: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the student's logits for each token of responses: (n, tokens, vocabulary)."""
        return response_logits(self.model.models[i], *take_prompts(self.prompts, indices), ids,
                               mask)

    def read(self, i: int, indices: Tensor) -> PromptCache:
        """Return the prompts of some items, read by the student of one seed."""
        return PromptCache(self.model.models[i], *take_prompts(self.prompts, indices))

    def respond(self, i: int, prompts: PromptCache, temperature: float,
                tokens: int = 0) -> tuple[Tensor, Tensor]:
        """Return sampled responses of one seed and their mask: shapes (n, tokens).

        They have at most `tokens` tokens; 0 stands for `max_new_tokens`.
        """
        uniform = draw_uniform(len(prompts.mask), tokens or self.max_new_tokens, temperature,
                               self.generators[i])
        return continue_prompts(prompts.detach(), self.model.tokenizer, temperature, uniform)

    def predict(self, x: Any, task: int | None = None) -> Any:
        """Return the likeliest responses to some questions: a list of texts per seed."""
        prompts = self.ask(x)
        return [sample(model, self.model.tokenizer, prompts,
                       max_new_tokens=self.max_new_tokens).texts for model in self.models_for(task)]

    def models_for(self, task: int | None) -> list[Any]:
        """Return the models that answer the questions of a task, by seed."""
        return self.model.models
