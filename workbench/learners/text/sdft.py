"""Self-distillation fine-tuning, of Shenfeld et al. (arXiv 2601.19897)."""

from torch import Tensor

from workbench.errors import ConfigError, UnknownNameError, positive, whole
from workbench.learners.text.base import TextLearner
from workbench.losses import DIRECTIONS, divergence, per_response
from workbench.models.language import LanguageModels
from workbench.models.logits import PromptCache
from workbench.tasks import Task
from workbench.teachers import FULL_CONTEXT, Teacher, TeacherWeights


class SDFT(TextLearner):
    """Sample responses of the student, and move its tokens to the teacher's distribution.

    Parameters
    ----------
    direction : {"forward", "reverse", "jsd"}
        Direction of the divergence; the published numbers were made with the forward KL.
    teacher : {"base", "task_start", "ema", "student"}
        The teacher's weights; see `workbench.teachers.WEIGHTS`.
    context : str
        The teacher's context: ``"all"``, or one of `workbench.measure.completions.CONTEXTS`.
        ``"none"``, ``"other"`` and ``"random"`` are controls.
    rate : float
        Rate of the moving average of an ``"ema"`` teacher.
    temperature : float
        Temperature of sampling.
    top_k : int
        Number of the teacher's likeliest tokens to compare; the others count as one. 0 compares
        all.
    skip_first : int
        Tokens at the beginning of each response that do not count.
    sampled_tokens : int
        Length in tokens at which a response in training is cut; 0 stands for `max_new_tokens`. The
        loss does not need the end of a response.
    """

    needs_gate = True

    def __init__(self, model: LanguageModels, direction: str = "forward", teacher: str = "base",
                 context: str = FULL_CONTEXT, rate: float = 0.02, temperature: float = 1.0,
                 top_k: int = 0, skip_first: int = 0, sampled_tokens: int = 0,
                 max_new_tokens: int = 40) -> None:
        super().__init__(model, max_new_tokens=max_new_tokens)
        positive(temperature=temperature)
        if direction not in DIRECTIONS:
            raise UnknownNameError("direction", direction, DIRECTIONS)
        whole(0, skip_first=skip_first, top_k=top_k, sampled_tokens=sampled_tokens)
        if sampled_tokens > max_new_tokens:
            raise ConfigError(f"sampled_tokens={sampled_tokens} must not be more than "
                              f"max_new_tokens={max_new_tokens}")
        self.direction, self.temperature = direction, temperature
        self.top_k, self.skip_first, self.context = top_k or None, skip_first, context
        self.sampled_tokens = sampled_tokens or max_new_tokens
        self.teacher = Teacher(TeacherWeights(self, teacher, rate), context)

    def begin(self, task: Task) -> None:
        """Encode the questions, alone and with context."""
        super().begin(task)
        self.teacher.begin(self.items, self.max_new_tokens)

    def stored_bytes(self) -> int:
        """Return the bytes kept between skills: those of an average, not of a ``task_start``."""
        return 0 if self.teacher.weights.source == "task_start" else super().stored_bytes()

    def loss_of(self, i: int, indices: Tensor) -> Tensor:
        """Return the divergence from the teacher, per token of each sampled response."""
        self.teacher.weights.follow(i)
        prompts = self.read(i, indices)
        ids, mask = self.rollout(i, indices, prompts)
        student = prompts.logits(ids, mask)
        teacher = self.teacher.logits(i, indices, ids, mask)
        # At the temperature of sampling, as in the authors' code.
        values = divergence(student / self.temperature, teacher / self.temperature, self.direction,
                            top_k=self.top_k)
        return per_response(values, mask, self.skip_first)

    def rollout(self, i: int, indices: Tensor, prompts: PromptCache) -> tuple[Tensor, Tensor]:
        """Return responses that the student samples, and their mask: shapes (n, tokens)."""
        return self.respond(i, prompts, self.temperature, self.sampled_tokens)
