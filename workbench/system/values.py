"""Values that go to another process and back as JSON, without pickle: nothing in them can run."""

import base64
import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch


def encode(value: Any) -> Any:
    """Return a value in a form that JSON has.

    Arrays and tensors keep shape and type, and a tensor whether it needs a gradient. A random
    generator becomes a new one that is drawn from it. Anything unknown becomes its text.
    """
    # Not `isinstance`: np.float64 is a float too, and keeps its type below.
    if type(value) in (type(None), bool, int, float, str):
        return value
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, np.random.Generator):
        return {"generator": int(value.integers(2**62))}
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu()
        plain = plain.float() if plain.dtype == torch.bfloat16 else plain
        return {"tensor": _npy(plain.numpy()), "grad": value.requires_grad}
    if hasattr(value, "__array__") and (array := np.asarray(value)).dtype.kind in "biufUS":
        return {"scalar" if isinstance(value, np.generic) else "array": _npy(array)}
    if isinstance(value, Iterable) and not isinstance(value, str):
        kind = ("tuple" if isinstance(value, tuple)
                else "iterator" if isinstance(value, Iterator) else "list")
        return {kind: [encode(part) for part in value]}
    return repr(value)[:200]


def decode(value: Any) -> Any:
    """Return the value that `encode` was given."""
    if not isinstance(value, dict):
        return value
    (kind, content), *further = value.items()
    if kind == "ellipsis":
        return ...
    if kind == "generator":
        return np.random.default_rng(content)
    if kind in ("list", "tuple", "iterator"):
        parts = [decode(part) for part in content]
        return tuple(parts) if kind == "tuple" else iter(parts) if kind == "iterator" else parts
    array = np.load(io.BytesIO(base64.b64decode(content)), allow_pickle=False)
    if kind == "tensor":
        return torch.from_numpy(array).requires_grad_(dict(further)["grad"])
    return array[()] if kind == "scalar" else array


def _npy(array: Any) -> str:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()
