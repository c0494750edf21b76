"""`OSFBackbones`: one network for each seed, whose weights keep their top singular directions."""

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.errors import ConfigError
from workbench.models.adapted import BASE, ROWS, AdaptedBackbones
from workbench.models.adapters import WithAdapter, no_progress_bars


class OSFBackbones(AdaptedBackbones):
    r"""A copy of a backbone for each seed, trained task after task, and a head for each task.

    Before each task, OSF (orthogonal subspace fine-tuning, arXiv 2504.07097; here by peft) splits
    each weight matrix of the backbone's `layers` into two parts:

    .. math:: W = U_{high} S_{high} V_{high} + U_{low} S_{low} V_{low}

    The first part, with the largest singular values, is frozen. The second is trained, and is
    merged into W before the next task. All other weights are those of the backbone and stay frozen.

    peft makes the gradients of :math:`U_{low}` and :math:`V_{low}` orthogonal to the first part. It
    does no more, and this holds exactly for plain gradient descent only: Adam rescales each number
    of a gradient, and its steps are no longer orthogonal. The code of the authors (mini_trainer,
    issue 90) therefore also makes the weights orthogonal after each step; `project` does the same.

    The attributes are those of `AdaptedBackbones`. A seed has one network, and so the same name in
    `adapters` for all tasks; `rank` is not used.
    """

    preserved = 0.5
    """Share of the singular directions that is frozen; see `preserve`."""
    _networks: dict[str, Any]

    def preserve(self, share: float) -> None:
        """Set the share of singular directions that is frozen; called before training.

        For a matrix whose smaller dimension is n these are ``int(share * n)`` directions, the
        ``effective_rank`` of peft. Raises `ConfigError` if no direction of a layer is frozen, or
        all.
        """
        for layer in self.backbone.layers:
            n = min(self.backbone.get_submodule(layer).get_parameter("weight").shape)
            if not 1 <= int(share * n) < n:
                raise ConfigError(
                    f"preserved={share} preserves {int(share * n)} of the {n} singular directions "
                    f"of the layer {layer!r}. At least one must be preserved and one trained: take "
                    f"at least 1/{n} and less than 1.")
        self.preserved = float(share)  # peft reads a whole number as a number of directions
        for name in self.adapters[-1]:
            self._decompose(name)
        self._train(self.adapters[-1])

    def _fresh(self, k: int, generators: Sequence[torch.Generator]) -> list[str]:
        names = [f"seed{i}" for i in range(len(self.seeds))]
        if k == 0:
            changed = [self.backbone.get_submodule(layer).get_parameter("weight")
                       for layer in self.backbone.layers]
            shared = {id(p): p for p in self.backbone.parameters()}
            for weight in changed:
                del shared[id(weight)]
            self._networks = {name: copy.deepcopy(self.backbone, dict(shared)) for name in names}
        for name in names:
            self._decompose(name)
        return names

    def _decompose(self, name: str) -> None:
        """Merge the trained part of a network into its weights, and split the weights again."""
        from peft import OSFConfig, PeftModel, get_peft_model

        network = self._networks[name]
        if isinstance(network, PeftModel):
            # Not `unload`, as peft's guide has it: that drops the trained part.
            network = network.merge_and_unload(progressbar=False)
        config = OSFConfig(effective_rank=self.preserved, target_modules=list(self.backbone.layers))
        with no_progress_bars():
            self._networks[name] = get_peft_model(network, config, adapter_name=name).eval()

    def with_adapter(self, name: str | None) -> WithAdapter:
        """Return the network of a seed."""
        assert name is not None  # the network before any training is `backbone`
        return WithAdapter(self._networks[name], name, self._trained)

    @torch.no_grad()
    def features(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Return the features of encoded inputs in several networks: (n, names, features).

        `BASE` is the name of the backbone.
        """
        networks = [self.backbone if name == BASE else self.with_adapter(name) for name in names]
        return torch.stack([torch.cat([network(part) for part in x.split(ROWS)])
                            for network in networks], 1)

    def mixed(self, x: Tensor, names: Sequence[str]) -> Tensor:
        """Return the features of encoded inputs in the network of one seed: (n, features)."""
        return self.features(x, names[:1])[:, 0]

    @torch.no_grad()
    def project(self) -> None:
        """Make the trained directions orthogonal to the frozen ones; called after each step."""
        for parameter in self._trained:
            # The hook with which peft projects the gradient of this parameter, if it has one.
            for projection in dict[int, Any](parameter._backward_hooks or {}).values():
                parameter.copy_(projection(parameter))

    def _tensors(self, name: str) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors of the layers that change, before and since the current task."""
        network = self._networks[name].get_base_model()
        for layer in self.backbone.layers:
            module = network.get_submodule(layer)
            for key, tensor in itertools.chain(module.named_parameters(), module.named_buffers()):
                if key != "base_layer.bias":  # the backbone's, which all seeds share
                    yield f"{layer}.{key}", tensor
