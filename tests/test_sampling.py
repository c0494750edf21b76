"""Sampling: explicit generators, and prompts that are read once and continued."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from workbench.errors import ConfigError, NonFiniteError
from workbench.models import make_prompt, sample
from workbench.models.encoding import encode, encode_responses
from workbench.models.logits import PromptCache, response_logits
from workbench.models.sampling import continue_prompts, draw_uniform, next_tokens
from workbench.models.sizes import make_model
from workbench.pretraining.tokenizer import vocabulary

QUESTION = "who keeps the red key ?"


def seeded(seed):
    """A generator in a known state."""
    return torch.Generator().manual_seed(seed)


def test_two_threads_that_sample_at_once_say_what_each_says_alone(model, tokenizer):
    prompts = [make_prompt(tokenizer, QUESTION)] * 8

    def run(seed):
        return [sample(model, tokenizer, prompts, temperature=1.0, rng=seeded(seed + i),
                       max_new_tokens=12).texts for i in range(5)]

    alone = [run(0), run(100)]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            assert list(pool.map(run, (0, 100))) == alone


def test_a_response_does_not_depend_on_those_sampled_beside_it(model, tokenizer):
    prompts = [make_prompt(tokenizer, QUESTION)] * 30
    whole, parts = (sample(model, tokenizer, prompts, temperature=2.0, rng=seeded(3),
                           max_new_tokens=60, batch_size=size) for size in (64, 2))
    assert whole.texts == parts.texts and len(set(whole.texts)) > 1
    assert len(set(whole.mask.sum(1).tolist())) > 3, "some end before others"


def test_sampling_without_a_generator_is_refused_and_greedy_needs_none(model, tokenizer):
    prompts = [make_prompt(tokenizer, QUESTION)]
    with pytest.raises(ConfigError, match=r"needs a generator; give rng=torch.Generator\(\)"):
        sample(model, tokenizer, prompts, temperature=0.5)
    assert sample(model, tokenizer, prompts).texts == sample(model, tokenizer, prompts).texts


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_told(value, temperature):
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, value, 2.0]])
    with pytest.raises(NonFiniteError, match="logits are not finite"):
        next_tokens(logits, temperature, torch.zeros(2, dtype=torch.float64))


def test_a_token_is_the_first_at_which_the_cumulated_probability_exceeds_the_number():
    p = torch.tensor([[0.0, 0.25, 0.5, 0.25]]).repeat(6, 1)
    uniform = torch.tensor([0.0, 0.24, 0.25, 0.74, 0.75, 1 - 1e-16], dtype=torch.float64)
    assert next_tokens(p.log(), 1.0, uniform).tolist() == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_prompts_read_once_give_the_logits_and_the_gradient_of_prompts_read_with_each_response(
        tokenizer, dtype):
    model = make_model("nano", len(vocabulary()), 0).eval()
    prompts = encode(tokenizer, [make_prompt(tokenizer, QUESTION), make_prompt(
        tokenizer, QUESTION, demonstration="so it is ada")], 99)
    responses = encode_responses(tokenizer, ["so it is ada", "ada"], 99)
    weights = torch.randn(2, 5, len(vocabulary()), generator=seeded(0)) * responses[1][..., None]
    slopes = []
    for logits in (lambda: response_logits(model, *prompts, *responses),
                   lambda: read_and_sampled(model, tokenizer, prompts).logits(*responses)):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, dtype is not None):
            (logits() * weights).sum().backward()
        slopes.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    near = 1e-5 if dtype is None else 3e-2
    assert (slopes[0] - slopes[1]).norm() < near * slopes[0].norm() and slopes[0].norm() > 1


def read_and_sampled(model, tokenizer, prompts):
    """Read prompts, and sample from them as SDFT does before it asks for logits."""
    read = PromptCache(model, *prompts)
    continue_prompts(read.detach(), tokenizer, 1.0, draw_uniform(2, 4, 1.0, seeded(1)))
    return read
