"""Who learns: small networks, several seeds of them at a time."""

from workbench.models.mlp import StackedLinear, StackedMLP

__all__ = ["StackedLinear", "StackedMLP"]
