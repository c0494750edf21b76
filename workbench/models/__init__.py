"""Who learns: small networks, several seeds of them at a time."""

from workbench.models.mlp import StackedMLP

__all__ = ["StackedMLP"]
