"""Networks: several stacked are each what they would be alone."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from workbench.models import StackedMLP

SEEDS = (4, 0, 7)


def mlp(*seeds):
    return StackedMLP(5, (6, 4), 3, seeds)


def batch(seeds=1, n=8):
    draw = torch.Generator().manual_seed(1)
    return torch.randn(seeds, n, 5, generator=draw), torch.randint(3, (seeds, n), generator=draw)


def gradient_of(model):
    """The gradient in the order of `vector`: shape (seeds, parameters)."""
    return torch.cat([p.grad.flatten(1) for p in model.parameters()], 1)


def test_forward_has_one_row_of_logits_per_seed_and_example():
    assert mlp(*SEEDS)(batch(3)[0]).shape == (3, 8, 3)


@pytest.mark.parametrize("place, seed", list(enumerate(SEEDS)))
def test_a_stacked_seed_begins_with_the_weights_it_has_alone(place, seed):
    assert torch.equal(mlp(*SEEDS).vector()[place], mlp(seed).vector()[0])


def test_seeds_differ_and_a_seed_repeats():
    vector = mlp(*SEEDS).vector()
    assert len({tuple(row.tolist()) for row in vector}) == 3
    assert torch.equal(vector, mlp(*SEEDS).vector())


def test_initial_weights_fill_the_range_of_torch_linear():
    model = mlp(*range(50))
    for weight, bias, inputs in zip(model.weights, model.biases, (5, 6, 4), strict=True):
        for p in (weight, bias):
            assert 0.95 < p.abs().max() * inputs ** 0.5 <= 1
            assert abs(p.mean()) * inputs ** 0.5 < 0.1


@pytest.mark.parametrize("place, seed", list(enumerate(SEEDS)))
def test_a_stacked_seed_answers_as_it_does_alone(place, seed):
    x = batch()[0]
    torch.testing.assert_close(mlp(*SEEDS)(x[0])[place], mlp(seed)(x)[0], rtol=0, atol=1e-6)


def test_forward_is_the_chain_of_matrix_products_and_relus():
    model, (x, _) = mlp(*SEEDS), batch(3)
    (w1, w2, w3), (b1, b2, b3) = model.weights, model.biases
    by_hand = torch.relu(torch.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3
    torch.testing.assert_close(model(x), by_hand)


@pytest.mark.parametrize("place, seed", list(enumerate(SEEDS)))
def test_a_stacked_seed_trains_as_it_does_alone(place, seed):
    x, y = batch(3)

    def train(model, x, y):
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
        for _ in range(3):
            optimizer.zero_grad()
            sum(cross_entropy(a, b) for a, b in zip(model(x), y, strict=True)).backward()
            optimizer.step()
        return model.vector().detach()

    stacked = train(mlp(*SEEDS), x, y)[place]
    alone = train(mlp(seed), x[place:place + 1], y[place:place + 1])[0]
    torch.testing.assert_close(stacked, alone, rtol=0, atol=1e-6)
    assert not torch.allclose(stacked, mlp(seed).vector()[0], atol=1e-3), "it did train"


def test_the_loss_of_one_seed_gives_no_gradient_to_another():
    model, (x, y) = mlp(*SEEDS), batch(3)
    cross_entropy(model(x)[1], y[1]).backward()
    gradient = gradient_of(model)
    assert gradient[1].count_nonzero() > 0
    assert gradient[[0, 2]].count_nonzero() == 0


def test_the_gradient_of_a_vector_is_that_of_the_parameters():
    model, (x, y) = mlp(*SEEDS), batch(3)
    vector = model.vector().detach().requires_grad_()
    for logits in (model(x), model.forward_with(vector, x)):
        cross_entropy(logits.flatten(0, 1), y.flatten()).backward()
    torch.testing.assert_close(gradient_of(model), vector.grad)
    assert vector.grad.count_nonzero() > 0


def test_vector_has_every_parameter_once():
    assert mlp(*SEEDS).vector().shape == (3, 5 * 6 + 6 + 6 * 4 + 4 + 4 * 3 + 3)


def test_forward_with_its_own_vector_changes_nothing():
    model, (x, _) = mlp(*SEEDS), batch(3)
    assert torch.equal(model.forward_with(model.vector(), x), model(x))


def test_forward_with_the_vector_of_others_answers_as_they_do():
    one, other, (x, _) = mlp(*SEEDS), mlp(1, 2, 3), batch(3)
    before = one.vector().detach().clone()
    assert torch.equal(one.forward_with(other.vector(), x), other(x))
    assert torch.equal(one.vector(), before), "and leaves its own weights alone"


def test_without_hidden_layers_it_is_linear():
    model = StackedMLP(5, (), 3, (0,))
    x = batch()[0]
    torch.testing.assert_close(model(2 * x) - model(x), model(x) - model(0 * x))
