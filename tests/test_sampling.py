"""Sampling: explicit generators, and prompts that are read once and continued."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from workbench.errors import ConfigError, NonFiniteError
from workbench.models import logits, make_prompt, sample
from workbench.models.encoding import encode, encode_responses
from workbench.models.logits import SHARED, PromptCache, response_logits, shared_tokens
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
    for read in (lambda: response_logits(model, *prompts, *responses),
                   lambda: read_and_sampled(model, tokenizer, prompts).logits(*responses)):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, dtype is not None):
            (read() * weights).sum().backward()
        slopes.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    near = 1e-5 if dtype is None else 3e-2
    assert (slopes[0] - slopes[1]).norm() < near * slopes[0].norm() and slopes[0].norm() > 1


def test_the_beginning_that_all_prompts_share_is_read_once_and_changes_nothing(
        model, tokenizer, monkeypatch):
    questions = [f"{'see here ' * 12}{QUESTION}", f"{'see here ' * 12}who ?",
                 f"{'see here ' * 12}who keeps the blue coat ?", f"{'see here ' * 12}{QUESTION}"]
    prompts = encode(tokenizer, [make_prompt(tokenizer, text) for text in questions], 99)
    responses = encode_responses(tokenizer, ["so it is ada", "ada", "so", "so it is ivo"], 99)
    shared, reads = shared_tokens(*prompts), []
    assert shared >= 24
    call = logits.call
    monkeypatch.setattr(logits, "call", lambda model, ids, *more: (
        reads.append(ids.shape), call(model, ids, *more))[1])
    weights = torch.randn(4, 5, len(vocabulary()), generator=seeded(0)) * responses[1][..., None]
    results = []
    for longest in (SHARED, 10**9):
        monkeypatch.setattr(logits, "SHARED", longest)
        monkeypatch.setattr(logits, "BATCH", 3)
        read = PromptCache(model, *prompts)
        some = read.select(torch.tensor([2, 0]))
        texts = sample(model, tokenizer, [make_prompt(tokenizer, text) for text in questions],
                       temperature=1.0, rng=seeded(5), max_new_tokens=6).texts
        model.zero_grad()
        (response_logits(model, *prompts, *responses) * weights).sum().backward()
        results.append((read.logits(*responses), some.logits(*(part[[2, 0]] for part in responses)),
                        model.model.layers[0].mlp.up_proj.weight.grad.clone(), texts))
    assert (1, shared) in reads
    mask = responses[1][..., None]
    for (a, b, name) in zip(*results, ("all", "some", "gradient", "texts"), strict=True):
        if name == "texts":
            assert a == b
            continue
        kept = {"all": mask, "some": mask[[2, 0]]}.get(name, 1)
        assert ((a - b) * kept).abs().max() < 1e-5 * b.abs().max(), name


@pytest.mark.parametrize("texts", [["so it is ada"], ["ada", "ivo"]])
def test_one_prompt_or_a_short_common_beginning_is_read_as_before(tokenizer, texts):
    assert shared_tokens(*encode(tokenizer, texts, 99)) == 0


def read_and_sampled(model, tokenizer, prompts):
    """Read prompts, and sample from them as SDFT does before it asks for logits."""
    read = PromptCache(model, *prompts)
    continue_prompts(read.detach(), tokenizer, 1.0, draw_uniform(2, 4, 1.0, seeded(1)))
    return read
