"""Composed modules: the same in every form, nothing earlier changes, thin products are exact."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel

from workbench.config import RunConfig
from workbench.errors import ConfigError, ModelError, RecordError, UnknownNameError
from workbench.learners import fit, make_optimizer
from workbench.models import factored, load_causal_lm
from workbench.models.adapters import add_adapter, load_units
from workbench.models.backbones import load_backbone
from workbench.models.composition import REUSE, Composition
from workbench.runs.experiment import load_adapters, make_learner, run, stream_of

DIGITS = RunConfig(stream="digits-tasks", learner="composed", seeds=(0, 1), steps=60, lr=3e-3)
SMALL = replace(DIGITS, steps=6, checkpoint_every=2)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def taught(config):
    """A learner that has learned all tasks of its stream, and the modules' weights by task."""
    stream = stream_of(config)
    learner, kept = make_learner(config, stream), []
    for task in stream.tasks:
        learner.begin(task)
        for _ in fit(learner, task, make_optimizer(learner, config.lr), steps=config.steps,
                     batch_size=32):
            pass
        learner.end(task)
        kept.append({key: t.clone() for key, t in learner.model.state_dict().items()})
    return stream, learner, kept


@pytest.fixture(scope="module")
def learned():
    return taught(replace(DIGITS, options={"orthogonality": 1.0, "l1": 0.001}))


@pytest.fixture(params=["digits", "nano"])
def composition(request):
    """A composition of two units of one adapter, one of another and a new part, all random."""
    if request.param == "digits":
        base, x = load_backbone("digits"), {"x": randn(5, 64)}
        layers = base.layers
    else:
        base, layers = load_causal_lm("nano")[0], ()
        x = {"input_ids": torch.arange(12).view(2, 6)}
    model = base
    for name, rank in (("one", 2), ("two", 1), ("new", 3)):
        model = add_adapter(model, name, rank, torch.Generator(), request.param, layers)
    with torch.no_grad():
        for i, (key, p) in enumerate(model.named_parameters()):
            if "lora_" in key:
                p.copy_(randn(*p.shape, seed=i) / 8)
    module = Composition(model, "new", [], ["one", "two"])
    module.weights.data = randn(*module.weights.shape, seed=9)
    return module, x


@torch.no_grad()
def outputs(model, x):
    result = model(**x)
    return getattr(result, "logits", result)


@torch.no_grad()
def dense(module, x):
    """The outputs of the base model with every update multiplied out and added to its weights."""
    base = copy.deepcopy(module.model)
    for layer in module.layers:
        target = base.get_base_model().get_submodule(layer)
        update = 0
        s = module.coefficients[list(module.layers).index(layer)]
        for j, (a, b) in enumerate(zip(module.units(layer)[0], module.units(layer)[1].T,
                                       strict=True)):
            update = update + s[j] * torch.outer(b, a)
        new_A, new_B = module.new(layer)
        target.base_layer.weight += update + new_B @ new_A
    with base.disable_adapter():
        return outputs(base, x)


def test_a_composition_is_the_sum_of_its_units_written_out(composition):
    module, x = composition
    expected = dense(module, x)
    torch.testing.assert_close(outputs(module, x), expected, rtol=1e-4, atol=1e-5)
    assert float((outputs(module, x) - outputs(module.model, x)).abs().max()) > 0.01
    assert module.owners == ("one", "one", "two")


def test_the_export_is_a_plain_adapter_with_the_same_outputs(composition, tmp_path):
    module, x = composition
    expected = outputs(module, x)
    module.save(tmp_path / "plain")
    name = module.model.peft_config["new"].base_model_name_or_path
    fresh = load_backbone("digits") if name == "digits" else load_causal_lm("nano")[0]
    theirs = PeftModel.from_pretrained(fresh, tmp_path / "plain")
    scale = expected.abs().max()
    assert float((outputs(theirs, x) - expected).abs().max() / scale) < 1e-5
    assert theirs.peft_config["default"].r == 6
    assert set(module.model.peft_config) == {"one", "two", "new"}
    torch.testing.assert_close(outputs(module, x), expected)


def test_a_unit_that_is_off_adds_nothing(composition):
    module, x = composition
    with_all = outputs(module, x)
    module.off = [1, 4]
    without = outputs(module, x)
    assert not torch.allclose(with_all, without)
    module.export("plain")
    module.model.set_adapter("plain")
    torch.testing.assert_close(outputs(module.model, x), without)
    with torch.no_grad():
        module.weights[:, 1] = 0
        for layer in module.layers.values():
            layer.lora_A["new"].weight[1] = 0
    module.off = []
    torch.testing.assert_close(outputs(module, x), without)


def hooks_of(module):
    return sum(len(part._forward_hooks) for part in module.model.modules())


def test_after_an_error_in_a_call_no_hook_is_left(composition, monkeypatch):
    module, x = composition
    expected = outputs(module, x)
    module.off = [0, 3]
    with pytest.raises((TypeError, ValueError)):
        module(nothing=x)
    units, asked = module.units, []

    def units_of_one_layer(layer):
        asked.append(layer)
        if len(asked) > 1:
            raise RuntimeError("no memory")
        return units(layer)

    monkeypatch.setattr(module, "units", units_of_one_layer)
    with pytest.raises(RuntimeError, match="no memory"):
        module(**x)
    monkeypatch.undo()
    module.off = []
    assert hooks_of(module) == 0
    assert torch.equal(outputs(module, x), expected)


def test_saving_changes_nothing_else(composition, tmp_path):
    module, x = composition
    other = Composition(module.model, "two", [], ["one"])
    outputs(other, x)
    random = torch.get_rng_state()
    trains = {key: p.requires_grad for key, p in module.model.named_parameters()}
    module.save(tmp_path / "folder" / "plain")
    base = module.model.peft_config["new"].base_model_name_or_path
    load_units(module.model, tmp_path / "folder" / "plain", "loaded", base)
    assert torch.equal(torch.get_rng_state(), random), "no number of the process's generator"
    assert trains.items() <= {key: p.requires_grad
                              for key, p in module.model.named_parameters()}.items()
    assert module.model.active_adapter == "two"


@pytest.mark.parametrize("reuse", REUSE)
def test_all_of_a_module_is_on_the_device_of_its_model(reuse):
    model = load_causal_lm("nano")[0].to("meta")  # a device that no other one can be mixed with
    for name, rank in (("one", 2), ("two", 1), ("new", 3)):
        model = add_adapter(model, name, rank, torch.Generator(), "nano")
    first = Composition(model, "one", [], [], reuse)
    module = Composition(model, "new", [], ["one", "two"], reuse, first)
    module.draw(torch.Generator(), True)
    module.off = [0, 5]
    logits = module(input_ids=torch.zeros(1, 4, dtype=torch.int64, device="meta")).logits
    loss = logits.sum() + module.penalty(0.1, 0.1, 0.1)
    assert {tensor.device.type for tensor in (loss, module.weights, module.gates())} == {"meta"}


def test_a_fresh_module_changes_nothing_and_all_its_parts_get_a_gradient(composition):
    module, x = composition
    fresh = Composition(module.model, "new", [], ["one", "two"])
    with torch.no_grad():
        for layer in fresh.layers.values():
            layer.lora_B["new"].weight.zero_()
    with torch.no_grad(), fresh.model.disable_adapter():
        plain = outputs(fresh.model, x)
    torch.testing.assert_close(outputs(fresh, x), plain)
    for key, p in fresh.model.named_parameters():
        p.requires_grad_("lora_" in key)  # of the units too: they must stay frozen all the same
    result = fresh(**x)
    getattr(result, "logits", result).square().sum().backward()
    gradients = {name: p.grad for name, p in fresh.named_parameters()}
    assert bool(gradients["reuse"].abs().max(1).values.gt(0).all())
    assert all(bool(g.abs().max() > 0) for key, g in gradients.items() if "lora_B" in key)
    assert all(layer.lora_A["one"].weight.requires_grad for layer in fresh.layers.values())
    assert all(p.grad is None for key, p in fresh.model.named_parameters() if ".new." not in key)


def test_later_tasks_change_no_bit_of_earlier_units_coefficients_and_heads(learned):
    _, learner, kept = learned
    for earlier, later in zip(kept, kept[1:], strict=False):
        assert set(earlier) < set(later)
        assert all(torch.equal(later[key], tensor) for key, tensor in earlier.items())
    assert any(key.endswith(".reuse") for key in kept[1])
    assert not torch.equal(kept[1]["adapter1-seed0.reuse"], kept[1]["adapter1-seed1.reuse"])


def test_features_in_one_call_are_those_of_each_module_and_of_its_export(learned):
    stream, learner, _ = learned
    model, x = learner.model, stream.tasks[0].test.x[:9]
    names = [name for of_task in model.adapters for name in of_task]
    together = model.features(x, [*names, "__base__"])
    for k, name in enumerate(names):
        with torch.no_grad():
            own = model.with_adapter(name)(x)
        torch.testing.assert_close(together[:, k], own, rtol=1e-4, atol=1e-5)
        model.with_adapter(name).export("plain")
        with torch.no_grad():
            model.with_adapter(name).model.set_adapter("plain")
            plain = model.with_adapter(name).model(x)
        model.with_adapter(name).model.delete_adapter("plain")
        assert float((plain - own).abs().max()) < 1e-5
    torch.testing.assert_close(together[:, -1], model.backbone(x))
    mixed = model.mixed(x[:3], [names[4], names[0], names[4]])
    torch.testing.assert_close(mixed, together[[0, 1, 2], [4, 0, 4]])


def test_orthogonality_is_there_where_its_weight_is_on(learned):
    _, learner, _ = learned
    _, free, _ = taught(DIGITS)
    for i in range(2):
        kept_apart = torch.stack([m.cosines() for m in learner.model.modules(i)[1:]])
        assert float(kept_apart.max()) < 0.1
        assert float(free.model.modules(i)[1].cosines().max()) > 0.3


def test_the_penalty_is_its_formula(learned):
    module = learned[1].model.modules(0)[2]
    s = module.coefficients
    expected = 0.3 * s.abs().sum() + 0.2 * (s**2).sum()
    for layer in module.layers:
        for a in module.new(layer)[0]:
            for b in module.units(layer)[0]:
                expected = expected + 0.1 * (a @ b / a.norm() / b.norm()) ** 2
    torch.testing.assert_close(module.penalty(0.3, 0.2, 0.1), expected)
    assert float(module.penalty()) == 0


@pytest.mark.parametrize("reuse", REUSE)
def test_every_way_of_reuse_runs_and_is_restored_from_its_folder(reuse, tmp_path):
    config = replace(SMALL, options={"reuse": reuse})
    record = run(config, out=tmp_path / "run")
    stream, learner, _ = taught(config)
    _, _, again = load_adapters(tmp_path / "run")
    x = stream.tasks[1].test.x
    assert torch.equal(again.predict(x), learner.predict(x))
    assert record.accuracy.shape == (2, 3, 3)


def test_no_reuse_is_an_adapter_for_each_task():
    composed = run(replace(SMALL, options={"reuse": "none"}))
    separate = run(replace(SMALL, learner="adapters"))
    np.testing.assert_allclose(composed.accuracy, separate.accuracy, atol=0.01)


def test_fixed_coefficients_are_the_sum_of_all_adapters(learned):
    _, learner, _ = taught(replace(SMALL, options={"reuse": "fixed"}))
    module = learner.model.modules(0)[2]
    assert torch.equal(module.coefficients, torch.ones(2, 8))
    assert [name for name, _ in module.named_parameters() if name == "reuse"] == []


def test_magnitudes_begin_where_the_task_before_left_them():
    _, learner, _ = taught(replace(SMALL, learner="sd_lora", tasks=3))
    before, module = learner.model.modules(0)[1:]
    start = Composition(module.model, module.name, [], module.reused, "magnitudes", before)
    assert torch.equal(start.weights[:, :1], before.weights)
    A, B = (before.layers["hidden"].lora_A[before.name].weight,
            before.layers["hidden"].lora_B[before.name].weight)
    torch.testing.assert_close(start.weights[0, 1], (B @ A).norm())
    torch.testing.assert_close(start.coefficients[:, 4:], torch.ones(2, 4))


# Thin products

SIZES = st.integers(1, 7)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, SIZES, st.integers(0, 10**6))
def test_norm_and_singular_values_are_those_of_the_product(r, m, n, seed):
    A, B = randn(r, m, seed=seed).double(), randn(n, r, seed=seed + 1).double()
    product = B @ A
    values = torch.linalg.svdvals(product)
    found = factored.singular_values(A, B)
    assert found.shape == (r,)
    padded = torch.cat([values, values.new_zeros(max(r - len(values), 0))])[:r]
    torch.testing.assert_close(found, padded, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(factored.norm(A, B), product.norm(), atol=1e-9, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 10**6))
def test_principal_cosines_depend_on_the_spaces_alone(r, s, seed):
    A, other = randn(r, 8, seed=seed).double(), randn(s, 8, seed=seed + 1).double()
    mix = randn(r, r, seed=seed + 2).double() + 4 * torch.eye(r)
    cosines = factored.principal_cosines(A, other)
    assert cosines.shape == (min(r, s),) and bool((cosines >= 0).all() & (cosines <= 1).all())
    torch.testing.assert_close(factored.principal_cosines(mix @ A, other), cosines)
    torch.testing.assert_close(factored.principal_cosines(other, A), cosines)
    torch.testing.assert_close(factored.principal_cosines(A, A), torch.ones(r).double())


def test_principal_cosines_of_two_lines_are_the_angle_between_them():
    angle = 0.7
    lines = torch.tensor([[1.0, 0, 0]]), torch.tensor([[np.cos(angle), np.sin(angle), 0]])
    assert float(factored.principal_cosines(*lines)) == pytest.approx(np.cos(angle))
    with pytest.raises(ModelError, match="rows of the same length"):
        factored.principal_cosines(torch.ones(1, 3), torch.ones(1, 4))
    with pytest.raises(ModelError, match="at least one row each"):
        factored.principal_cosines(torch.ones(1, 3), torch.ones(0, 3))
    with pytest.raises(ModelError, match="an update needs A of shape"):
        factored.norm(torch.ones(2, 3), torch.ones(4, 3))


# Refused

def test_a_coefficient_that_is_not_finite_is_named(composition, tmp_path):
    module, _ = composition
    module.weights.data[0, 2] = float("nan")
    with pytest.raises(ModelError, match=r"not finite: that of unit 2 \(two\) in layer"):
        module.save(tmp_path / "plain")
    assert not list(tmp_path.glob("plain/*"))


def test_nothing_is_exported_onto_files_or_names_that_exist(composition, tmp_path):
    module, _ = composition
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(RecordError, match=r"already holds mine\.txt"):
        module.save(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    with pytest.raises(ModelError, match="has an adapter 'one' already"):
        module.export("one")


def test_units_are_reused_on_their_own_base_only(composition, tmp_path):
    module, x = composition
    module.save(tmp_path / "units")
    base = module.model.peft_config["new"].base_model_name_or_path
    load_units(module.model, tmp_path / "units", "loaded", base)
    expected = outputs(module, x)
    rank = module.model.peft_config["loaded"].r
    again = Composition(module.model, "new", [], ["loaded"])
    with torch.no_grad():
        again.weights.fill_(1.0)
        for layer in again.layers.values():
            layer.lora_B["new"].weight.zero_()
    assert again.owners == ("loaded",) * rank
    torch.testing.assert_close(outputs(again, x), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelError, match=f"an adapter of {base!r}, not of 'another'"):
        load_units(module.model, tmp_path / "units", "more", "another")
    with pytest.raises(ModelError, match="has an adapter 'loaded' already"):
        load_units(module.model, tmp_path / "units", "loaded", base)


@pytest.mark.parametrize("fault", ["missing", "nan", "rank"])
def test_units_with_a_fault_are_refused_and_leave_no_adapter(composition, tmp_path, fault):
    module, x = composition
    module.save(tmp_path / "units")
    expected, names = outputs(module, x), {*module.model.peft_config}
    base = module.model.peft_config["new"].base_model_name_or_path
    path = tmp_path / "units" / "adapter_model.safetensors"
    tensors = safetensors.torch.load_file(path)
    key = min(tensors)
    if fault == "missing":
        del tensors[key]
    else:
        tensors[key] = tensors[key] * float("nan") if fault == "nan" else tensors[key][:2]
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(ModelError, match={"missing": "1 missing", "nan": "NaN or infinite",
                                          "rank": "could not be put on"}[fault]):
        load_units(module.model, tmp_path / "units", "loaded", base)
    assert {*module.model.peft_config} == names
    assert torch.equal(outputs(module, x), expected)


def test_units_on_other_layers_are_refused():
    base, rng = load_backbone("digits"), torch.Generator()
    model = add_adapter(base, "one", 1, rng, "digits", base.layers[:1])
    model = add_adapter(model, "new", 1, rng, "digits", base.layers)
    with pytest.raises(ModelError, match=f"'new' and 'one' is on the layer {base.layers[1]}"):
        Composition(model, "new", [], ["one"])


@pytest.mark.parametrize(("changes", "error", "message"), [
    ({"options": {"reuse": "some"}}, UnknownNameError, "unknown reuse 'some'; known: fixed"),
    ({"options": {"l1": -0.1}}, ConfigError, "l1 must be a finite number of at least 0"),
    ({"options": {"orthogonality": float("nan")}}, ConfigError, "orthogonality must be a finite"),
    ({"options": {"l2": "much"}}, ConfigError, "l2 must be a finite number"),
    ({"stream": "split-digits", "backbone": None}, UnknownNameError, "unknown learner 'composed'"),
])
def test_a_wrong_setting_is_refused_with_its_name(changes, error, message):
    with pytest.raises(error, match=message):
        run(replace(DIGITS, **changes))


def test_a_rank_of_0_is_refused():
    with pytest.raises(ConfigError, match="rank must be a whole number of at least 1, not 0"):
        add_adapter(load_backbone("digits"), "one", 0, torch.Generator(), "digits", ("hidden",))


def test_a_new_part_is_not_its_own_unit(composition):
    module, _ = composition
    with pytest.raises(ModelError, match="the new part 'new' is also among the reused"):
        Composition(module.model, "new", [], ["new"])
    with pytest.raises(UnknownNameError, match="unknown adapter 'three'"):
        Composition(module.model, "new", [], ["three"])
