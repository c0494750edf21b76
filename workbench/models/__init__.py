"""Models: small networks, several seeds at a time, and language models."""

from workbench.models.encoding import respell
from workbench.models.loading import load_causal_lm
from workbench.models.mlp import StackedMLP
from workbench.models.prompts import make_prompt
from workbench.models.sampling import Samples, sample

__all__ = ["Samples", "StackedMLP", "load_causal_lm", "make_prompt", "respell",
           "sample"]
